using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace ProxyKit.Forwarding.Tests;

/// <summary>What is sent must be what was judged and routed on.</summary>
public sealed class TargetTests
{
    [Theory]
    [InlineData("/a%20b?q=%2F", "/a b", "/a%20b")]
    [InlineData("/a%2Fb%2f", "/a%2Fb%2f", "/a%2Fb%2f")] // the server leaves encoded slashes as they are
    [InlineData("/%252e%252e/x", "/%2e%2e/x", "/%252e%252e/x")]
    [InlineData("/%2541", "/%41", "/%2541")]
    [InlineData("/%41%7e", "/A~", "/%41%7e")]
    [InlineData("/%FF", "/%FF", "/%FF")]
    [InlineData("/%C3%BC", "/ü", "/%C3%BC")]
    [InlineData("//a/", "//a/", "//a/")]
    public void A_path_that_nobody_changed_goes_on_byte_for_byte(string raw, string path, string sent) =>
        Assert.Equal((sent, raw.Contains('?', StringComparison.Ordinal) ? "?q=%2F" : ""), RequestMessage.Target(Of(raw, path)));

    [Theory]
    [InlineData("/%2e%2e/x", "/%252e%252e/x")]
    [InlineData("/%41", "/%2541")]
    [InlineData("/100%", "/100%25")]
    [InlineData("/a b/ü", "/a%20b/%C3%BC")]
    [InlineData("/a%2Fb", "/a%2Fb")]
    [InlineData("/a?b#c", "/a%3Fb%23c")]
    [InlineData("", "/")]
    public void A_path_that_was_rewritten_is_encoded_once(string path, string sent) =>
        Assert.Equal((sent, ""), RequestMessage.Target(Of("/other", path)));

    [Fact]
    public void Below_a_path_base_the_rest_is_sent_and_still_means_the_same()
    {
        var context = Of("/base/%252e%252e/x", "/%2e%2e/x");
        context.Request.PathBase = "/base";
        Assert.Equal(("/%252e%252e/x", ""), RequestMessage.Target(context));
    }

    [Fact]
    public void The_absolute_form_is_sent_as_a_path()
    {
        var context = Of("http://shop.example/%2541?x", "/%41");
        context.Request.QueryString = new QueryString("?x");
        Assert.Equal(("/%2541", "?x"), RequestMessage.Target(context));
    }

    private static DefaultHttpContext Of(string raw, string path)
    {
        var context = Requests.From("203.0.113.9");
        context.Features.Get<IHttpRequestFeature>()!.RawTarget = raw;
        var mark = raw.IndexOf('?', StringComparison.Ordinal);
        context.Request.Path = new PathString(path);
        context.Request.QueryString = new QueryString(mark < 0 ? "" : raw[mark..]);
        return context;
    }
}
