namespace ProxyKit.Gateway.Tests;

/// <summary>A client may leave at any moment: the backend is told, the seat comes free, and it is held against nobody.</summary>
public sealed class ClientLeavesTests
{
    [Theory]
    [InlineData("")]
    [InlineData("GET /a HT")]
    [InlineData("GET /a HTTP/1.1\r\nHost: shop.example\r\nX: ")]
    public async Task Before_its_head_is_whole_and_nobody_is_asked(string part)
    {
        await using var backend = ScriptedBackend.Start();
        await using var gateway = await GatewayHost.OverAsync(backend.Address);
        await using (var client = await RawClient.ConnectAsync(gateway.Address))
        {
            await client.SendAsync(part);
            client.Reset();
        }

        await Wire.ServesOthersAsync(gateway);
        await gateway.WhenIdleAsync();
        Assert.Equal("/well", Assert.Single(backend.Requests).Target);
    }

    [Theory]
    [InlineData("Content-Length: 100\r\n\r\nabc", true)]
    [InlineData("Content-Length: 100\r\n\r\nabc", false)]
    [InlineData("Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", true)]
    [InlineData("Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", false)]
    public async Task Midway_through_its_body_and_the_backend_sees_no_whole_request(string rest, bool reset)
    {
        await using var backend = ScriptedBackend.Start();
        await using var gateway = await GatewayHost.OverAsync(backend.Address);
        await using var client = await RawClient.ConnectAsync(gateway.Address);
        await client.SendAsync("POST / HTTP/1.1\r\nHost: shop.example\r\n" + rest);
        await backend.WhenRequestsAsync(1);
        await LeaveAsync(client, reset);
        Assert.NotEqual(BodyEnd.Complete, (await backend.WhenRequestAsync()).End);
        await IsForgottenAsync(gateway, backend);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task While_it_waits_and_the_backend_is_let_go(bool reset)
    {
        await using var backend = ScriptedBackend.Start(Answers.Never());
        await using var gateway = await GatewayHost.OverAsync(backend.Address);
        await using var client = await RawClient.ConnectAsync(gateway.Address);
        await client.SendAsync(Wire.Get());
        await backend.WhenRequestAsync();
        await LeaveAsync(client, reset);
        await IsForgottenAsync(gateway, backend);
    }

    [Theory]
    [InlineData("Content-Length: 100\r\n\r\nabc", true)]
    [InlineData("Content-Length: 100\r\n\r\nabc", false)]
    [InlineData("Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", true)]
    [InlineData("Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", false)]
    public async Task Midway_through_the_answer_and_the_backend_is_let_go(string rest, bool reset)
    {
        await using var backend = ScriptedBackend.Start(async exchange =>
        {
            await exchange.WriteAsync("HTTP/1.1 200 OK\r\n" + rest);
            await exchange.Connection.WhenClientLeavesAsync();
        });
        await using var gateway = await GatewayHost.OverAsync(backend.Address);
        await using var client = await RawClient.ConnectAsync(gateway.Address);
        await client.SendAsync(Wire.Get());
        Assert.Equal(200, (await client.ReadHeadAsync()).Status);
        await LeaveAsync(client, reset);
        await IsForgottenAsync(gateway, backend);
    }

    [Fact]
    public async Task A_stream_of_HTTP_2_that_is_cancelled_takes_only_its_own_request_with_it()
    {
        var goes = new TaskCompletionSource();
        await using var backend = ScriptedBackend.Start(exchange => exchange.Request.Target == "/left"
            ? Answers.Never()(exchange)
            : Answers.Gated("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabc", goes.Task, "def")(exchange));
        await using var gateway = await GatewayHost.OverAsync(backend.Address);
        using var client = gateway.NewHttp2Client();
        using var leaves = new CancellationTokenSource();
        var left = client.GetAsync(new Uri("/left", UriKind.Relative), leaves.Token);
        await backend.WhenRequestAsync();
        using var stays = await client.GetAsync(new Uri("/stays", UriKind.Relative), HttpCompletionOption.ResponseHeadersRead, TestContext.Current.CancellationToken);
        await leaves.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => left);
        await backend.Connections[0].Ended.WaitAsync(backend.Deadline, TestContext.Current.CancellationToken);
        goes.SetResult();
        Assert.Equal("abcdef", await stays.Content.ReadAsStringAsync(TestContext.Current.CancellationToken));
        await gateway.WhenIdleAsync();
        Assert.Equal(0, gateway.Pool.Snapshot.Members[0].Load);
    }

    [Fact]
    public async Task A_storm_of_leaving_clients_leaves_every_seat_free()
    {
        await using var backend = ScriptedBackend.Start(Answers.Never());
        await using var gateway = await GatewayHost.OverAsync(pool => pool.WithLimits(new LimitOptions { MaxPerDestination = 64 }), backend.Address);
        var clients = await Task.WhenAll(Enumerable.Range(0, 64).Select(_ => RawClient.ConnectAsync(gateway.Address)));
        await Task.WhenAll(clients.Select(client => client.SendAsync(Wire.Get())));
        await backend.WhenRequestsAsync(64);
        Wire.IsProblem(await RawClient.ExchangeAsync(gateway.Address, Wire.Get()), 503);
        foreach (var client in clients)
        {
            client.Reset();
        }

        await gateway.WhenIdleAsync();
        backend.Answer = Answers.Ok("again");
        Assert.Equal("again", (await RawClient.ExchangeAsync(gateway.Address, Wire.Get())).Text);
    }

    private static async Task LeaveAsync(RawClient client, bool reset)
    {
        if (reset)
        {
            client.Reset();
        }

        await client.DisposeAsync();
    }

    private static async Task IsForgottenAsync(GatewayHost gateway, ScriptedBackend backend)
    {
        await backend.Connections[0].Ended.WaitAsync(backend.Deadline, TestContext.Current.CancellationToken);
        await gateway.WhenIdleAsync();
        Assert.Equal(0, gateway.Pool.Snapshot.Members[0].Load); // a client that leaves is no failure of the member
        backend.Answer = Answers.Ok();
        await Wire.ServesOthersAsync(gateway);
        Assert.Equal(2, backend.Requests.Count); // nothing was asked twice on its behalf
    }
}
