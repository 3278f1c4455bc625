namespace ProxyKit.Gateway.Tests;

/// <summary>A request over HTTP/2 has no text to be split; what would become text with a second request in it is refused.</summary>
public sealed class Http2RequestTests
{
    private const string Hidden = "\r\n\r\nGET /hidden HTTP/1.1\r\nHost: shop.example";

    public static readonly TheoryData<string, string> BadFields = new()
    {
        // RFC 9113 §8.2.1 and §8.2.2.
        { "transfer-encoding", "chunked" },
        { "connection", "keep-alive" },
        { "te", "gzip" },
        { "X-Upper", "a" },
        { "x-value", "a\r\nx-injected: b" },
        { "x-value", "a\nb" },
        { "x-value", "a\rb" },
        { "x-value", "a\0b" },
        { "x-value", "a" + Hidden },
        { "x: y\r\nx-injected", "a" },
        { "x name", "a" },
        { "x:name", "a" },
        { "", "a" },
        { "x\0", "a" },
        { ":unknown", "a" },
        { ":path", "/twice" },
        { "content-length", "-1" },
        { "content-length", "3a" },
        { "content-length", "5" },
    };

    [Theory]
    [MemberData(nameof(BadFields))]
    public async Task A_field_that_is_none_ends_the_request_before_it_reaches_anybody(string name, string value)
    {
        await using var backend = ScriptedBackend.Start();
        await using var gateway = await GatewayHost.OverAsync(backend.Address);
        await using (var client = await RawHttp2.ConnectAsync(gateway.Http2Address))
        {
            await client.SendFieldsAsync([.. RawHttp2.Ordinary(), (name, value)], end: true);
            IsRefused(await client.ReadAsync());
        }

        await Wire.ServesOthersAsync(gateway);
        Assert.Equal("/well", Assert.Single(backend.Requests).Target);
    }

    [Theory]
    [InlineData(":path", "")]
    [InlineData(":path", "*")]
    [InlineData(":path", "a")]
    [InlineData(":path", "/a b")]
    [InlineData(":path", "/a HTTP/1.1" + Hidden)]
    [InlineData(":path", "/a\0")]
    [InlineData(":path", "/a#b")]
    [InlineData(":path", "/../a")]
    [InlineData(":path", "/%2e%2e/a")]
    [InlineData(":path", "/\u00e4")]
    [InlineData(":path", "http://shop.example/a")]
    [InlineData(":method", "")]
    [InlineData(":method", "GET /a HTTP/1.1" + Hidden)]
    [InlineData(":method", "G T")]
    [InlineData(":method", "CONNECT")]
    [InlineData(":authority", "a b")]
    [InlineData(":authority", "user@shop.example")]
    [InlineData(":authority", "shop.example/a")]
    [InlineData(":authority", "shop.example" + Hidden)]
    [InlineData(":scheme", "http://shop.example/a?")]
    [InlineData(":scheme", "http\r\nx: y")]
    public async Task Nor_does_a_pseudo_field_that_is_none(string name, string value)
    {
        await using var backend = ScriptedBackend.Start();
        await using var gateway = await GatewayHost.OverAsync(backend.Address);
        await using (var client = await RawHttp2.ConnectAsync(gateway.Http2Address))
        {
            await client.SendFieldsAsync([.. RawHttp2.Ordinary().Select(field => field.Name == name ? (name, value) : field)], end: true);
            IsRefused(await client.ReadAsync());
        }

        await Wire.ServesOthersAsync(gateway);
        Assert.Equal("/well", Assert.Single(backend.Requests).Target);
    }

    [Theory]
    [InlineData("3", "abcde")]
    [InlineData("10", "abc")]
    [InlineData("0", "abc")]
    public async Task A_body_that_is_not_as_long_as_declared_is_never_a_whole_request(string length, string body)
    {
        // RFC 9113 §8.1.1. Sent on as declared, the rest would be the next request on the backend's connection.
        await using var backend = ScriptedBackend.Start();
        await using var gateway = await GatewayHost.OverAsync(backend.Address);
        await using (var client = await RawHttp2.ConnectAsync(gateway.Http2Address))
        {
            await client.SendFieldsAsync([.. RawHttp2.Ordinary("POST"), ("content-length", length)], end: false);
            await client.SendDataAsync(body, end: true);
            IsRefused(await client.ReadAsync());
        }

        await gateway.WhenIdleAsync();
        await Wire.ServesOthersAsync(gateway);
        foreach (var request in backend.Requests.Where(request => request.Target != "/well"))
        {
            Assert.NotEqual(BodyEnd.Complete, (await request.Read.WaitAsync(backend.Deadline, TestContext.Current.CancellationToken)).End);
        }

        Assert.Empty(backend.Faults);
    }

    [Fact]
    public async Task The_client_of_these_tests_can_send_a_request_that_is_in_order()
    {
        await using var backend = ScriptedBackend.Start();
        await using var gateway = await GatewayHost.OverAsync(backend.Address);
        await using var client = await RawHttp2.ConnectAsync(gateway.Http2Address);
        await client.SendFieldsAsync([.. RawHttp2.Ordinary("POST", "/a?b"), ("content-length", "3"), ("te", "trailers"), ("x-bytes", "\u00e4\u00ff")], end: false);
        await client.SendDataAsync("abc", end: true);
        Assert.Equal("200", await client.ReadAsync());
        var request = Assert.Single(backend.Requests);
        Assert.Equal(("POST", "/a?b", "abc", "\u00e4\u00ff"), (request.Method, request.Target, request.Text, request["X-Bytes"]));
    }

    [Fact]
    public async Task A_Host_beside_the_authority_is_refused_or_does_not_count()
    {
        // RFC 9113 §8.3.1.
        await using var backend = ScriptedBackend.Start();
        await using var gateway = await GatewayHost.OverAsync(backend.Address);
        await using var client = await RawHttp2.ConnectAsync(gateway.Http2Address);
        await client.SendFieldsAsync([.. RawHttp2.Ordinary(), ("host", "admin.example")], end: true);
        if (await client.ReadAsync() is var outcome && outcome != "200")
        {
            IsRefused(outcome);
        }

        Assert.All(backend.Requests, request => Assert.Equal(["shop.example"], request.Fields.All("Host")));
        Assert.All(backend.Requests, request => Assert.DoesNotContain("admin", request.Head, StringComparison.Ordinal));
    }

    private static void IsRefused(string outcome) => Assert.True(outcome is "reset" or "goaway" or "closed" or "400" or "404" or "405" or "501", outcome);
}
