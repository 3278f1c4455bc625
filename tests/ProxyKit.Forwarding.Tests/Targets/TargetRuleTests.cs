using CsCheck;

namespace ProxyKit.Forwarding.Tests;

public sealed class TargetRuleTests
{
    [Theory]
    [InlineData("/")]
    [InlineData("/a/b?c=d")]
    [InlineData("/a?x=%2F..%2f&y=../..")]
    [InlineData("/a/...")]
    [InlineData("/.well-known/acme-challenge/x")]
    [InlineData("/a/..b/c..")]
    [InlineData("//a//b/")]
    [InlineData("/a;v=1/b;..")]
    [InlineData("/%2Ewell-known")]
    [InlineData("/caf%E9")] // Latin-1, of old
    [InlineData("/%C3%BC/%E2%82%AC/%F0%9F%98%80")]
    [InlineData("/%252e%252e/a")] // decoded once, as the RFC has it, this is the text '%2e%2e'
    [InlineData("/%252F")]
    [InlineData("/a%20b%3Fc%23d")]
    public void What_can_be_read_one_way_only_passes(string target)
    {
        Assert.Null(TargetRule.Fault(target, allowAmbiguous: false));
        Assert.Null(TargetRule.Fault(target, allowAmbiguous: true));
    }

    [Theory]
    [InlineData("/a/../b")]
    [InlineData("/..")]
    [InlineData("/.")]
    [InlineData("/a/.")]
    [InlineData("/a/./b")]
    [InlineData("/a/%2e%2e/b")]
    [InlineData("/a/%2E%2e/b")]
    [InlineData("/a/.%2E/b")]
    [InlineData("/a/%2e")]
    [InlineData("/a/..;x/b")]
    [InlineData("/a/..;/b")]
    [InlineData("/a/.;a=b")]
    [InlineData("/a/%2e%2e%3bx/b")]
    [InlineData("/a/%2e%2E;x=y")]
    [InlineData("/a%2f..%2fb")]
    [InlineData("/a/..%2fb")]
    [InlineData("/a%5c%2e%2e%5Cb")]
    [InlineData("/a\\..\\b")]
    [InlineData("/a%2f.")]
    [InlineData("/a%00")]
    [InlineData("/a%0d%0ab")]
    [InlineData("/a%7F")]
    [InlineData("/a%")]
    [InlineData("/a%2")]
    [InlineData("/a%g0")]
    [InlineData("/a%u002e")]
    [InlineData("/a#b")]
    [InlineData("/a?b#c")]
    [InlineData("/a b")]
    [InlineData("/a\u00e4")]
    [InlineData("/a\tb")]
    [InlineData("/%C0%AE%C0%AE/a")]
    [InlineData("/%c0%af")]
    [InlineData("/%C1%9C")]
    [InlineData("/%E0%80%AE")]
    [InlineData("/%F0%80%80%AF")]
    public void What_is_read_in_two_ways_or_in_none_is_refused_by_choice_as_well(string target)
    {
        Assert.NotNull(TargetRule.Fault(target, allowAmbiguous: false));
        Assert.NotNull(TargetRule.Fault(target, allowAmbiguous: true));
    }

    [Theory]
    [InlineData("/a%2Fb")]
    [InlineData("/a%2fb")]
    [InlineData("/a%5Cb")]
    [InlineData("/a%5cb")]
    [InlineData("/a\\b")]
    public void Encoded_slashes_and_backslashes_pass_only_by_choice(string target)
    {
        Assert.NotNull(TargetRule.Fault(target, allowAmbiguous: false));
        Assert.Null(TargetRule.Fault(target, allowAmbiguous: true));
    }

    [Fact]
    public void No_path_that_passes_leaves_its_root_when_it_is_decoded_and_resolved()
    {
        string[] texts = ["/", ".", "..", "%2e", "%2E", "%2f", "%2F", "\\", "%5c", ";", ";x", "a", "%61", "%3b", "//"];
        var pieces = Gen.Int[0, texts.Length - 1].Select(i => texts[i]);
        Gen.Select(pieces.Array[1, 12], Gen.Bool).Sample((parts, allow) =>
        {
            var target = "/" + string.Concat(parts);
            if (TargetRule.Fault(target, allow) is null)
            {
                var segments = Uri.UnescapeDataString(target).Split('/', '\\').Select(segment => segment.Split(';')[0]);
                Assert.DoesNotContain(segments, segment => segment is "." or "..");
            }
        });
    }
}
