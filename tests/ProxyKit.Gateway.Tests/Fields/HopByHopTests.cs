namespace ProxyKit.Gateway.Tests;

public sealed class HopByHopTests
{
    // RFC 9110 §7.6.1, and what practice adds to it.
    private static readonly string[] Lines =
    [
        "Connection: X-Named ,X-Other", "Connection: X-Third",
        "X-Named: 1", "x-other: 2", "X-THIRD: 3",
        "Keep-Alive: timeout=5", "Proxy-Connection: keep-alive", "Upgrade: foo/2", "X-Stays: 4",
    ];

    [Fact]
    public async Task Fields_for_one_connection_never_reach_the_backend()
    {
        await using var backend = ScriptedBackend.Start();
        await using var gateway = await GatewayHost.OverAsync(backend.Address);
        var response = await RawClient.ExchangeAsync(
            gateway.Address, Wire.Get("/", [.. Lines, "TE: trailers, deflate", "Proxy: http://evil.example", "HTTP2-Settings: AAMAAABkAAQAAP__"]));
        Assert.Equal(200, response.Status);
        var request = Assert.Single(backend.Requests);
        Assert.Equal("4", request["X-Stays"]);
        foreach (var name in (string[])["X-Named", "X-Other", "X-Third", "Keep-Alive", "Proxy-Connection", "Upgrade", "Proxy", "HTTP2-Settings"])
        {
            Assert.False(request.Fields.Contains(name), $"{name} in {request.Head}");
        }

        Assert.DoesNotContain("X-Named", request["Connection"] ?? "", StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain("deflate", request["TE"] ?? "", StringComparison.OrdinalIgnoreCase);
    }

    [Theory]
    [InlineData("close, X-Named")]
    [InlineData("X-Named, keep-alive")]
    public async Task Nor_where_they_are_named_beside_what_the_server_knows(string connection)
    {
        // Kestrel puts its own words in place of such a line, and the gateway must learn the others all the same.
        await using var backend = ScriptedBackend.Start();
        await using var gateway = await GatewayHost.OverAsync(backend.Address);
        var response = await RawClient.ExchangeAsync(gateway.Address, Wire.Get("/", $"Connection: {connection}", "X-Named: 1"));
        Assert.Equal(200, response.Status);
        Assert.False(Assert.Single(backend.Requests).Fields.Contains("X-Named"));
    }

    [Fact]
    public async Task Fields_for_one_connection_never_reach_the_client()
    {
        await using var backend = ScriptedBackend.Start(Answers.Ok("ok", [.. Lines, "Proxy-Authenticate: Basic", "Trailer: Sum"]));
        await using var gateway = await GatewayHost.OverAsync(backend.Address);
        var response = await RawClient.ExchangeAsync(gateway.Address, Wire.Get());
        Assert.Equal(("ok", "4"), (response.Text, response["X-Stays"]));
        foreach (var name in (string[])["X-Named", "X-Other", "X-Third", "Keep-Alive", "Proxy-Connection", "Upgrade", "Connection"])
        {
            Assert.False(response.Fields.Contains(name), name);
        }
    }

    [Fact]
    public async Task Nor_over_HTTP_2_where_they_would_break_the_connection()
    {
        await using var backend = ScriptedBackend.Start(Answers.Ok("ok", Lines));
        await using var gateway = await GatewayHost.OverAsync(backend.Address);
        using var client = gateway.NewHttp2Client();
        using var response = await client.GetAsync(new Uri("/", UriKind.Relative), TestContext.Current.CancellationToken);
        Assert.Equal("ok", await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken));
        Assert.Equal(["X-Stays"], response.Headers.Select(field => field.Key).Where(name => name != "Date"), StringComparer.OrdinalIgnoreCase);
    }

    [Fact]
    public async Task Connection_cannot_name_a_field_away_that_the_request_needs()
    {
        // A client could otherwise have the gateway drop what the backend judges by.
        await using var backend = ScriptedBackend.Start();
        await using var gateway = await GatewayHost.OverAsync(backend.Address);
        var response = await RawClient.ExchangeAsync(
            gateway.Address,
            "POST / HTTP/1.1\r\nHost: shop.example\r\nConnection: close, Host, Content-Length, X-Forwarded-For, Transfer-Encoding\r\nContent-Length: 3\r\n\r\nabc");
        Assert.Equal(200, response.Status);
        var request = Assert.Single(backend.Requests);
        Assert.Equal(("shop.example", "abc", "127.0.0.1"), (request["Host"], request.Text, request["X-Forwarded-For"]));
    }

    [Fact]
    public async Task Connection_close_of_the_client_does_not_close_the_backends_connection()
    {
        await using var backend = ScriptedBackend.Start();
        await using var gateway = await GatewayHost.OverAsync(backend.Address);
        for (var i = 0; i < 3; i++)
        {
            await using var client = await RawClient.ConnectAsync(gateway.Address);
            var response = await client.ExchangeAsync(Wire.Get("/", "Connection: close"));
            Assert.Equal("close", response["Connection"], ignoreCase: true);
            Assert.Equal(ConnectionEnd.Closed, (await client.ReadToEndAsync()).End);
        }

        Assert.Single(backend.Connections);
    }

    [Fact]
    public async Task Connection_close_of_the_backend_does_not_close_the_clients_connection()
    {
        await using var backend = ScriptedBackend.Start(Answers.Close("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"));
        await using var gateway = await GatewayHost.OverAsync(backend.Address);
        await using var client = await RawClient.ConnectAsync(gateway.Address);
        for (var i = 0; i < 3; i++)
        {
            Assert.Equal("ok", (await client.ExchangeAsync(Wire.Get())).Text);
        }

        Assert.Equal(3, backend.Connections.Count);
    }
}
