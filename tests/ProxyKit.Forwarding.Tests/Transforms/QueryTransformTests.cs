namespace ProxyKit.Forwarding.Tests;

public class QueryTransformTests
{
    [Theory]
    [InlineData("", "?a=1"), InlineData("?", "?a=1"), InlineData("?b=2", "?b=2&a=1"), InlineData("?a=0&b=2&A=3", "?b=2&a=1"), InlineData("?%61=0", "?a=1"), InlineData("?a", "?a=1"), InlineData("?&&", "?a=1")]
    public void A_parameter_is_set_in_place_of_all_of_its_name(string query, string expected) =>
        Assert.Equal(expected, TransformRun.Request(new SetQuery("a", "1"), query: query).Query);

    [Fact]
    public void Names_and_values_are_encoded() =>
        Assert.Equal("?a%26b=c%3Dd%20%23%C3%A4", TransformRun.Request(new AppendQuery("a&b", "c=d #ä")).Query);

    [Theory]
    [InlineData("?debug=1&x=%20y+z&Debug", "?x=%20y+z"), InlineData("?d%65bug=1", ""), InlineData("?debugger=1", "?debugger=1"), InlineData("", "")]
    public void A_parameter_is_removed_however_it_is_written(string query, string expected) =>
        Assert.Equal(expected, TransformRun.Request(new RemoveQuery("debug"), query: query).Query);

    [Fact]
    public void Only_what_is_named_is_kept() =>
        Assert.Equal("?page=2&q=a+b", TransformRun.Request(new KeepQuery("q", "page"), query: "?page=2&utm_source=x&q=a+b&pages=3").Query);
}
