using CsCheck;

using Microsoft.Extensions.Primitives;

namespace ProxyKit.Forwarding.Tests;

public class CookieFieldTests
{
    [Theory]
    [InlineData("sid=1", "1"), InlineData("a=2; sid=1; b", "1"), InlineData("a=2;sid=1", "1"), InlineData(" sid = 1 ", "1"), InlineData("sid=a=b", "a=b"), InlineData("sid=", ""), InlineData("sid=1; sid=2", "1")]
    [InlineData("asid=1", null), InlineData("SID=1", null), InlineData("sid", null), InlineData("x=sid=1", null), InlineData("", null)]
    public void A_cookie_is_found_by_its_exact_name(string field, string? value)
    {
        Assert.Equal(value is not null, CookieField.TryFind(field, "sid", out var found));
        Assert.Equal(value ?? "", found.ToString());
    }

    [Theory]
    [InlineData("a=2; sid=1; b=3", "a=2; b=3"), InlineData("sid=1; a=2", "a=2"), InlineData("a=2;sid=1;sid=4;b", "a=2; b"), InlineData("xsid=1;  odd", "xsid=1;  odd"), InlineData("sid=1", "")]
    public void A_cookie_is_taken_out_and_the_others_stay(string field, string expected) =>
        Assert.Equal(expected, CookieField.Without(field, "sid").ToString());

    [Fact]
    public void Taking_out_leaves_none_behind_and_no_other_changed() =>
        Gen.String[Gen.Char["sid=; a\t"], 0, 24].Array[1, 3].Sample(lines =>
        {
            var after = CookieField.Without(new StringValues(lines), "sid");
            Assert.False(CookieField.TryFind(after, "sid", out _));
            Assert.Equal(CookieField.TryFind(new StringValues(lines), "a", out var a), CookieField.TryFind(after, "a", out var b));
            Assert.True(a.SequenceEqual(b));
        });
}
