namespace ProxyKit.Gateway.Tests;

public sealed class QueueTests
{
    [Fact]
    public async Task Where_every_seat_is_taken_and_none_may_wait_the_answer_is_503_at_once()
    {
        var gate = new TaskCompletionSource();
        await using var backend = ScriptedBackend.Start(Answers.Gated("", gate.Task, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"));
        await using var gateway = await GatewayHost.OverAsync(pool => pool.WithLimits(new LimitOptions { MaxPerDestination = 1 }), backend.Address);
        await using var first = await RawClient.ConnectAsync(gateway.Address);
        await first.SendAsync(Wire.Get("/first"));
        await backend.WhenRequestsAsync(1);
        Wire.IsProblem(await RawClient.ExchangeAsync(gateway.Address, Wire.Get("/second")), 503);
        gate.SetResult();
        Assert.Equal("ok", (await first.ReadResponseAsync()).Text);
        Assert.Single(backend.Requests);
    }

    [Fact]
    public async Task One_that_may_wait_is_served_when_the_seat_is_free_and_one_more_is_refused_at_once()
    {
        var gate = new TaskCompletionSource();
        await using var backend = ScriptedBackend.Start(Answers.Gated("", gate.Task, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"));
        await using var gateway = await GatewayHost.OverAsync(
            pool => pool.WithLimits(new LimitOptions { MaxPerDestination = 1, QueueLength = 1, QueueTimeout = TimeSpan.FromMinutes(1) }), backend.Address);
        await using var first = await RawClient.ConnectAsync(gateway.Address);
        await using var second = await RawClient.ConnectAsync(gateway.Address);
        await first.SendAsync(Wire.Get("/first"));
        await backend.WhenRequestsAsync(1);
        await second.SendAsync(Wire.Get("/second"));
        await Eventually.TrueAsync(() => gateway.Pool.Waiting == 1);
        Wire.IsProblem(await RawClient.ExchangeAsync(gateway.Address, Wire.Get("/third")), 503);
        gate.SetResult();
        Assert.Equal("ok", (await first.ReadResponseAsync()).Text);
        Assert.Equal("ok", (await second.ReadResponseAsync()).Text);
        Assert.Equal(["/first", "/second"], backend.Requests.Select(request => request.Target));
        await gateway.WhenIdleAsync();
    }

    [Fact]
    public async Task One_that_waits_too_long_is_refused_and_the_answer_names_the_limit()
    {
        await using var backend = ScriptedBackend.Start(Answers.Never());
        await using var gateway = await GatewayHost.OverAsync(
            pool => pool.WithLimits(new LimitOptions { MaxPerDestination = 1, QueueLength = 1, QueueTimeout = TimeSpan.FromMilliseconds(100) }), backend.Address);
        await using var first = await RawClient.ConnectAsync(gateway.Address);
        await first.SendAsync(Wire.Get("/first"));
        await backend.WhenRequestsAsync(1);
        Wire.IsProblem(await RawClient.ExchangeAsync(gateway.Address, Wire.Get("/second")), 503, "Queue");
    }

    [Fact]
    public async Task One_that_leaves_the_queue_takes_nobodys_seat()
    {
        var gate = new TaskCompletionSource();
        await using var backend = ScriptedBackend.Start(Answers.Gated("", gate.Task, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"));
        await using var gateway = await GatewayHost.OverAsync(
            pool => pool.WithLimits(new LimitOptions { MaxPerDestination = 1, QueueLength = 1, QueueTimeout = TimeSpan.FromMinutes(1) }), backend.Address);
        await using var first = await RawClient.ConnectAsync(gateway.Address);
        await using var second = await RawClient.ConnectAsync(gateway.Address);
        await first.SendAsync(Wire.Get("/first"));
        await backend.WhenRequestsAsync(1);
        await second.SendAsync(Wire.Get("/second"));
        await Eventually.TrueAsync(() => gateway.Pool.Waiting == 1);
        second.Reset();
        await Eventually.TrueAsync(() => gateway.Pool.Waiting == 0);
        gate.SetResult();
        Assert.Equal("ok", (await first.ReadResponseAsync()).Text);
        Assert.Equal("ok", (await RawClient.ExchangeAsync(gateway.Address, Wire.Get("/third"))).Text);
        Assert.Equal(["/first", "/third"], backend.Requests.Select(request => request.Target));
    }

    [Fact]
    public async Task A_destination_that_is_full_is_no_reason_to_refuse_while_another_has_room()
    {
        await using var busy = ScriptedBackend.Start(Answers.Never());
        await using var backend = ScriptedBackend.Start(Answers.Ok("here"));
        await using var gateway = await GatewayHost.OverAsync(pool => pool.WithLimits(new LimitOptions { MaxPerDestination = 1 }), busy.Address, backend.Address);
        await using var first = await RawClient.ConnectAsync(gateway.Address);
        await first.SendAsync(Wire.Get());
        await busy.WhenRequestsAsync(1);
        for (var i = 0; i < 4; i++)
        {
            Assert.Equal("here", (await RawClient.ExchangeAsync(gateway.Address, Wire.Get())).Text);
        }
    }
}
