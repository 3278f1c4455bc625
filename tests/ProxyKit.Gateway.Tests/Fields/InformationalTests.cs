namespace ProxyKit.Gateway.Tests;

public sealed class InformationalTests
{
    private const string Expecting = "POST / HTTP/1.1\r\nHost: shop.example\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n";

    [Fact]
    public async Task A_client_that_expects_100_gets_the_backends()
    {
        var gate = new TaskCompletionSource();
        await using var backend = ScriptedBackend.Start(async exchange =>
        {
            await gate.Task;
            await Answers.Continue(Answers.Ok("done"))(exchange);
        });
        await using var gateway = await GatewayHost.OverAsync(backend.Address);
        await using var client = await RawClient.ConnectAsync(gateway.Address);
        await client.SendAsync(Expecting);
        var request = (await backend.WhenRequestsAsync(1))[0];
        Assert.Equal("100-continue", request["Expect"]);
        gate.SetResult();
        Assert.Equal("HTTP/1.1 100 Continue\r\n\r\n", Wire.Text(await client.ReadExactlyAsync(25)));
        await client.SendAsync("abc");
        Assert.Equal("done", (await client.ReadResponseAsync()).Text);
        Assert.Equal("abc", request.Text);
    }

    [Fact]
    public async Task A_backend_that_refuses_at_once_spares_the_client_its_body()
    {
        await using var backend = ScriptedBackend.Start(Answers.Early("HTTP/1.1 417 No\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno"));
        await using var gateway = await GatewayHost.OverAsync(backend.Address);
        await using var client = await RawClient.ConnectAsync(gateway.Address);
        await client.SendAsync("POST / HTTP/1.1\r\nHost: shop.example\r\nExpect: 100-continue\r\nContent-Length: 100000\r\n\r\n");
        var response = await client.ReadResponseAsync();
        Assert.Equal((417, "no"), (response.Status, response.Text));
        Assert.Empty(response.Informational);
        await gateway.WhenIdleAsync();
    }

    [Fact]
    public async Task A_backend_that_knows_nothing_of_100_gets_the_body_all_the_same()
    {
        await using var backend = ScriptedBackend.Start(Answers.Ok("done"));
        await using var gateway = await GatewayHost.OverAsync(backend.Address);
        await using var client = await RawClient.ConnectAsync(gateway.Address);
        await client.SendAsync(Expecting + "abc"); // nor does this client wait
        Assert.Equal("done", (await client.ReadResponseAsync()).Text);
        Assert.Equal("abc", Assert.Single(backend.Requests).Text);
    }

    [Fact(Skip = "Not yet: of 1xx only 100 passes.")]
    public async Task An_early_hint_reaches_the_client_before_the_answer()
    {
        var gate = new TaskCompletionSource();
        await using var backend = ScriptedBackend.Start(Answers.Gated(
            "HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\nConnection: X\r\nX: y\r\n\r\n", gate.Task, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"));
        await using var gateway = await GatewayHost.OverAsync(backend.Address);
        await using var client = await RawClient.ConnectAsync(gateway.Address);
        await client.SendAsync(Wire.Get());
        Assert.Equal("HTTP/1.1 103", Wire.Text(await client.ReadExactlyAsync(12)));
        gate.SetResult();
        var rest = Wire.Text((await client.ReadExactlyAsync(60)));
        Assert.Contains("Link: </a.css>; rel=preload\r\n", rest, StringComparison.OrdinalIgnoreCase);
    }
}
