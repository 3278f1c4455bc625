namespace ProxyKit.Tests;

public class DestinationTests
{
    [Fact]
    public void An_address_names_its_destination_by_authority() => Assert.Equal("10.0.0.1:8080", Destination.Parse("http://10.0.0.1:8080").Name);

    [Theory]
    [InlineData(""), InlineData("10.0.0.1"), InlineData("/a"), InlineData("http://")]
    public void What_is_no_address_is_refused_with_the_cure(string address)
    {
        var fault = Assert.Throws<ArgumentException>(() => Destination.Parse(address));
        Assert.StartsWith($"'{address}' is no address of a destination; write scheme, host and port, such as 'http://10.0.0.1:8080'.", fault.Message, StringComparison.Ordinal);
    }
}
