using Microsoft.Extensions.Primitives;

namespace ProxyKit.Forwarding.Tests;

public class HeaderTransformTests
{
    [Fact]
    public void A_request_field_is_set_in_place_of_what_was_there()
    {
        var context = TransformRun.Request(new AppendRequestHeader("X-One", "a"));
        TransformRun.Applied(new AppendRequestHeader("X-One", "b"), context);
        Assert.Equal("a | b", context.Request.Field("X-One"));
        TransformRun.Applied(new SetRequestHeader("x-one", "ü"), context);
        Assert.Equal("ü", context.Request.Field("X-One"));
        TransformRun.Applied(new RemoveRequestHeader("X-ONE"), context);
        Assert.Null(context.Request.Field("X-One"));
    }

    [Fact]
    public void Host_and_the_fields_of_the_content_can_be_set_too()
    {
        var context = TransformRun.Request(new SetRequestHeader("Host", "internal.example"));
        Assert.Equal("internal.example", context.Request.Headers.Host);
        TransformRun.Applied(new SetRequestHeader("Content-Type", "text/plain"), context);
        TransformRun.Applied(new SetRequestHeader("Content-Type", "text/html"), context);
        Assert.Equal("text/html", context.Request.Field("Content-Type"));
        TransformRun.Applied(new RemoveRequestHeader("Content-Type"), context);
        Assert.Null(context.Request.Field("Content-Type"));
        TransformRun.Applied(new RemoveRequestHeader("Content-Language"), context);
    }

    [Fact]
    public void Response_fields_are_set_appended_and_removed()
    {
        Assert.Equal("b", TransformRun.Response(new SetResponseHeader("X-One", "b"), ("X-One", "a"))["X-One"]);
        Assert.Equal(new StringValues(["a", "b"]), TransformRun.Response(new AppendResponseHeader("X-One", "b"), ("X-One", "a"))["X-One"]);
        Assert.False(TransformRun.Response(new RemoveResponseHeader("server"), ("Server", "a")).ContainsKey("Server"));
    }

    [Theory]
    [InlineData("X-One", "a\r\nX-Two: b"), InlineData("X-One", "a\nb"), InlineData("X-One", "a\0"), InlineData("X-One", "a\u0100"), InlineData("X One", "a"), InlineData("X-One:", "a"), InlineData("", "a"), InlineData("X\r\n", "a")]
    [InlineData("Content-Length", "5"), InlineData("Transfer-Encoding", "chunked"), InlineData("connection", "X-User"), InlineData("Upgrade", "x")]
    public void What_would_break_a_message_is_refused_when_composed(string name, string value)
    {
        var route = new GatheredRoute();
        Assert.Throws<ArgumentException>(() => route.SetRequestHeader(name, value));
        Assert.Throws<ArgumentException>(() => route.AppendRequestHeader(name, value));
        Assert.Throws<ArgumentException>(() => route.SetResponseHeader(name, value));
        Assert.Throws<ArgumentException>(() => route.AppendResponseHeader(name, value));
        Assert.Empty(route.Requests);
        Assert.Empty(route.Responses);
    }

    [Fact]
    public void A_field_that_has_one_value_is_not_appended_to() => Assert.Throws<ArgumentException>(() => new GatheredRoute().AppendRequestHeader("Host", "a"));

    [Fact]
    public void Values_are_in_no_text_and_no_fault()
    {
        Assert.DoesNotContain("s3cret", new SetRequestHeader("X-Key", "s3cret").ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain("s3cret", new AppendRequestHeader("X-Key", "s3cret").ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain("s3cret", Assert.Throws<ArgumentException>(() => new SetRequestHeader("X-Key", "s3cret\n").Valid()).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_destination_sees_an_authorization_of_the_gateways()
    {
        var context = TransformRun.Request(new AppendRequestHeader("X-One", "1"));
        context.Request.Headers.TryAddWithoutValidation("Authorization", "Basic client");
        TransformRun.Applied(new BackendAuthorization("Bearer", "s3cret").Valid(), context);
        Assert.Equal("Bearer s3cret", context.Request.Field("Authorization"));
        TransformRun.Applied(BackendAuthorization.Basic("Aladdin", "open sesame"), context);
        Assert.Equal("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", context.Request.Field("Authorization")); // RFC 7617 §2
        await new BackendAuthorization((_, _) => ValueTask.FromResult<string?>("Bearer found")).ApplyAsync(context, TestContext.Current.CancellationToken);
        Assert.Equal("Bearer found", context.Request.Field("Authorization"));
        await new BackendAuthorization((_, _) => ValueTask.FromResult<string?>(null)).ApplyAsync(context, TestContext.Current.CancellationToken);
        Assert.Null(context.Request.Field("Authorization"));
    }

    [Fact]
    public async Task An_authorization_is_in_no_text_and_no_fault()
    {
        Assert.DoesNotContain("s3cret", new BackendAuthorization("Bearer", "s3cret").ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain("s3cret", Assert.Throws<ArgumentException>(() => new BackendAuthorization("Bearer", "s3cret\n").Valid()).Message, StringComparison.Ordinal);
        var context = TransformRun.Request(new AppendRequestHeader("X-One", "1"));
        var fault = await Assert.ThrowsAsync<InvalidOperationException>(async () =>
            await new BackendAuthorization((_, _) => ValueTask.FromResult<string?>("s3cret\r\n")).ApplyAsync(context, TestContext.Current.CancellationToken));
        Assert.DoesNotContain("s3cret", fault.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("http://backend:5000/base/x?y#z", "/api/x?y#z")] // the destination's own address
    [InlineData("//backend:5000/base/x", "/api/x")]
    [InlineData("HTTP://BACKEND:5000/base", "/api")]
    [InlineData("http://backend:5000/other", "/other")] // not below what the route leads to
    [InlineData("http://backend:5000", "/")]
    [InlineData("http://backend:5000//evil.example", "/.//evil.example")] // never a reference to another host
    [InlineData("http://shop.example/base/x", "http://shop.example/api/x")] // the client's own address, the destination's path
    [InlineData("/base/x", "/api/x")]
    [InlineData("/basement", "/basement")]
    [InlineData("x/y", "x/y")]
    [InlineData("?page=2", "?page=2")]
    [InlineData("https://login.example/?return=http://backend:5000/base", "https://login.example/?return=http://backend:5000/base")]
    [InlineData("https://backend:5000/base/x", "https://backend:5000/base/x")] // another scheme, another server
    [InlineData("myapp://backend:5000/base/x", "myapp://backend:5000/base/x")]
    public void Redirects_lead_back_to_the_public_address(string location, string expected) =>
        Assert.Equal(expected, TransformRun.Response(new RewriteLocation("/api"), ("Location", location)).Location);

    [Fact]
    public void A_response_without_location_gets_none() => Assert.Empty(TransformRun.Response(new RewriteLocation("/api")));

    [Theory]
    [InlineData("sid=1; Path=/base/x; HttpOnly", "sid=1; Path=/api/x; HttpOnly")]
    [InlineData("sid=1; path=/base", "sid=1; Path=/api")]
    [InlineData("sid=1; Domain=backend; Secure", "sid=1; Secure")]
    [InlineData("sid=1; Domain=.shop.example; Path=/", "sid=1; Domain=.shop.example; Path=/")]
    [InlineData("Path=/base; HttpOnly", "Path=/base; HttpOnly")] // a cookie named Path
    [InlineData("sid=1; Path=/base/", "sid=1; Path=/api")]
    [InlineData("__Host-sid=1; Path=/; Secure", "__Host-sid=1; Path=/; Secure")]
    [InlineData("sid", "sid")]
    public void Cookies_fit_the_public_address(string cookie, string expected) =>
        Assert.Equal(expected, TransformRun.Response(new RewriteCookies("/api"), ("Set-Cookie", cookie)).SetCookie);

    [Fact]
    public void Delegates_change_requests_and_responses()
    {
        var route = new GatheredRoute()
            .TransformRequest(context => context.Path = "/changed")
            .TransformResponse(context => context.HttpContext.Response.Headers["X-Seen"] = "1");
        Assert.Equal("/changed", TransformRun.Request(Assert.Single(route.Requests)).Path);
        Assert.Equal("1", TransformRun.Response(Assert.Single(route.Responses))["X-Seen"]);
    }
}
