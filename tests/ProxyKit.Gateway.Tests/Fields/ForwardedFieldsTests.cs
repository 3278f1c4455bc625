namespace ProxyKit.Gateway.Tests;

public sealed class ForwardedFieldsTests
{
    [Fact]
    public async Task The_backend_learns_whom_it_serves()
    {
        await using var backend = ScriptedBackend.Start();
        await using var gateway = await GatewayHost.OverAsync(backend.Address);
        await RawClient.ExchangeAsync(gateway.Address, Wire.Get());
        var request = Assert.Single(backend.Requests);
        Assert.Equal("shop.example", request["Host"]);
        Assert.Equal(("127.0.0.1", "http", "shop.example"), (request["X-Forwarded-For"], request["X-Forwarded-Proto"], request["X-Forwarded-Host"]));
    }

    [Fact]
    public async Task And_that_it_came_over_TLS()
    {
        await using var backend = ScriptedBackend.Start();
        await using var gateway = await GatewayHost.OverAsync(backend.Address);
        using var client = gateway.NewTlsClient();
        await client.GetStringAsync(new Uri("/", UriKind.Relative), TestContext.Current.CancellationToken);
        Assert.Equal("https", Assert.Single(backend.Requests)["X-Forwarded-Proto"]);
    }

    [Fact]
    public async Task What_a_stranger_says_of_itself_is_not_believed()
    {
        await using var backend = ScriptedBackend.Start();
        await using var gateway = await GatewayHost.OverAsync(backend.Address);
        string[] claims =
        [
            "X-Forwarded-For: 10.0.0.1", "X-Forwarded-For: 10.0.0.2", "x-forwarded-host: admin.example", "X-Forwarded-Proto: https",
            "X-Forwarded-Prefix: /admin", "Forwarded: for=10.0.0.3;host=admin.example;proto=https",
        ];
        await RawClient.ExchangeAsync(gateway.Address, Wire.Get("/", claims));
        var request = Assert.Single(backend.Requests);
        Assert.DoesNotContain("10.0.0.", request.Head, StringComparison.Ordinal);
        Assert.DoesNotContain("admin", request.Head, StringComparison.Ordinal);
        Assert.Equal("http", request["X-Forwarded-Proto"]);
    }
}
