using System.Net.Sockets;

namespace ProxyKit.Gateway.Tests;

/// <summary>Every limit has a name, and the answer says which one was reached.</summary>
public sealed class TimeoutTests
{
    private static readonly TimeSpan Short = TimeSpan.FromMilliseconds(200);

    [Theory]
    [InlineData("GET")]
    [InlineData("POST")]
    public async Task Connect(string method)
    {
        Assert.SkipUnless(BlackHole.IsSupported, "Only Linux drops connections that find the queue full.");
        await using var hole = await BlackHole.StartAsync();
        await using var gateway = await GatewayHost.OverAsync(pool => With(pool, new TimeoutOptions { Connect = Short }), hole.Address);
        Wire.IsProblem(await RawClient.ExchangeAsync(gateway.Address, $"{method} / HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 0\r\n\r\n"), 504, "Connect");
    }

    [Fact]
    public async Task Tls()
    {
        await using var silent = ScriptedBackend.StartRaw(connection => connection.WhenClientLeavesAsync());
        await using var gateway = await GatewayHost.OverAsync(pool => With(pool, new TimeoutOptions { Connect = Short, Tls = Short }), new Uri($"https://{silent.Address.Authority}"));
        Wire.IsProblem(await RawClient.ExchangeAsync(gateway.Address, Wire.Get()), 504, "Tls");
        await silent.Connections[0].Ended.WaitAsync(silent.Deadline, TestContext.Current.CancellationToken);
    }

    [Theory]
    [InlineData("GET")]
    [InlineData("POST")]
    public async Task First_byte(string method)
    {
        await using var backend = ScriptedBackend.Start(Answers.Never());
        await using var gateway = await GatewayHost.OverAsync(pool => With(pool, new TimeoutOptions { FirstByte = Short }), backend.Address);
        Wire.IsProblem(await RawClient.ExchangeAsync(gateway.Address, $"{method} / HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 3\r\n\r\nabc"), 504, "FirstByte");
        await backend.Connections[0].Ended.WaitAsync(backend.Deadline, TestContext.Current.CancellationToken);
        await gateway.WhenIdleAsync();
    }

    [Fact]
    public async Task First_byte_of_a_head_that_comes_byte_by_byte_and_never_ends()
    {
        await using var backend = ScriptedBackend.Start(Answers.Slowly(new string('a', 10_000), TimeSpan.FromMilliseconds(10), TimeProvider.System));
        await using var gateway = await GatewayHost.OverAsync(pool => With(pool, new TimeoutOptions { FirstByte = Short }), backend.Address);
        var response = await RawClient.ExchangeAsync(gateway.Address, Wire.Get());
        Wire.IsProblem(response, 504, "FirstByte");
    }

    [Fact]
    public async Task First_byte_passed_means_that_another_host_answers_a_GET()
    {
        await using var silent = ScriptedBackend.Start(Answers.Never());
        await using var backend = ScriptedBackend.Start(Answers.Ok("here"));
        await using var gateway = await GatewayHost.OverAsync(pool => pool.WithTimeouts(new TimeoutOptions { FirstByte = Short }), silent.Address, backend.Address);
        Assert.Equal("here", (await RawClient.ExchangeAsync(gateway.Address, Wire.Get())).Text);
    }

    [Fact]
    public async Task First_byte_passed_means_one_delivery_of_a_POST()
    {
        await using var a = ScriptedBackend.Start(Answers.Never());
        await using var b = ScriptedBackend.Start(Answers.Never());
        await using var gateway = await GatewayHost.OverAsync(pool => pool.WithTimeouts(new TimeoutOptions { FirstByte = Short }), a.Address, b.Address);
        Wire.IsProblem(await RawClient.ExchangeAsync(gateway.Address, Wire.Post("abc")), 504, "FirstByte");
        Assert.Equal(1, a.Requests.Count + b.Requests.Count);
    }

    [Fact]
    public async Task Read_idle_cuts_an_answer_that_stands_still()
    {
        await using var backend = ScriptedBackend.Start(async exchange =>
        {
            await exchange.WriteAsync("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc");
            await exchange.Connection.WhenClientLeavesAsync();
        });
        await using var gateway = await GatewayHost.OverAsync(pool => With(pool, new TimeoutOptions { ReadIdle = Short }), backend.Address);
        var response = await RawClient.ExchangeAsync(gateway.Address, Wire.Get());
        Assert.Equal((200, "abc"), (response.Status, response.Text));
        Assert.NotEqual(BodyEnd.Complete, response.End);
        await backend.Connections[0].Ended.WaitAsync(backend.Deadline, TestContext.Current.CancellationToken);
        await gateway.WhenIdleAsync();
        Assert.Contains(gateway.Logged, record => record.Message.Contains("ReadIdle", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Request_body_ends_a_client_that_stands_still()
    {
        await using var backend = ScriptedBackend.Start();
        await using var gateway = await GatewayHost.OverAsync(pool => With(pool, new TimeoutOptions { RequestBody = Short }), backend.Address);
        await using var client = await RawClient.ConnectAsync(gateway.Address);
        await client.SendAsync("POST / HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 10\r\n\r\nabc");
        Wire.IsProblem(await client.ReadResponseAsync(), 408, "RequestBody");
        Assert.NotEqual(BodyEnd.Complete, (await backend.WhenRequestAsync()).End);
        await gateway.WhenIdleAsync();
        Assert.Equal(0, gateway.Pool.Snapshot.Members[0].Load); // the client stood still, not the member
    }

    [Fact]
    public async Task Total_ends_a_request_that_goes_on_and_on()
    {
        await using var backend = ScriptedBackend.Start(Answers.Never());
        await using var gateway = await GatewayHost.OverAsync(pool => pool.WithTimeouts(new TimeoutOptions { Total = Short }), backend.Address);
        Wire.IsProblem(await RawClient.ExchangeAsync(gateway.Address, Wire.Get()), 504, "Total");
    }

    [Fact]
    public async Task Total_ends_an_answer_that_trickles()
    {
        await using var backend = ScriptedBackend.Start(Answers.Slowly("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + new string('a', 10_000), TimeSpan.FromMilliseconds(5), TimeProvider.System));
        await using var gateway = await GatewayHost.OverAsync(pool => With(pool, new TimeoutOptions { Total = TimeSpan.FromSeconds(1) }), backend.Address);
        var response = await RawClient.ExchangeAsync(gateway.Address, Wire.Get());
        Assert.Equal(200, response.Status);
        Assert.NotEqual(BodyEnd.Complete, response.End);
        await gateway.WhenIdleAsync();
    }

    [Fact]
    public async Task Write_idle_cuts_a_client_that_takes_nothing()
    {
        await using var backend = ScriptedBackend.Start(async exchange =>
        {
            await exchange.WriteAsync("HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n");
            var piece = new byte[64 * 1024];
            while (true)
            {
                await exchange.WriteAsync(piece);
            }
        });
        await using var gateway = await GatewayHost.OverAsync(pool => With(pool, new TimeoutOptions { WriteIdle = Short }), backend.Address);
        await using var client = await RawClient.ConnectAsync(gateway.Address, receiveBuffer: 4096);
        await client.SendAsync(Wire.Get());
        Assert.Equal(200, (await client.ReadHeadAsync()).Status);
        await backend.Connections[0].Ended.WaitAsync(backend.Deadline, TestContext.Current.CancellationToken);
        await gateway.WhenIdleAsync();
        Assert.Equal(0, gateway.Pool.Snapshot.Members[0].Load);
    }

    [Fact]
    public async Task A_stream_that_keeps_moving_outlasts_every_idle_limit()
    {
        await using var backend = ScriptedBackend.Start(async exchange =>
        {
            await exchange.WriteAsync("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
            for (var i = 0; i < 20; i++)
            {
                await exchange.WriteAsync("1\r\na\r\n");
                await Task.Delay(Short / 4, TimeProvider.System, exchange.Connection.Stopping);
            }

            await exchange.WriteAsync("0\r\n\r\n");
        });
        await using var gateway = await GatewayHost.OverAsync(
            pool => With(pool, new TimeoutOptions { FirstByte = 3 * Short, ReadIdle = 3 * Short, WriteIdle = 3 * Short, RequestBody = 3 * Short }), backend.Address);
        var response = await RawClient.ExchangeAsync(gateway.Address, Wire.Get());
        Assert.Equal((new string('a', 20), BodyEnd.Complete), (response.Text, response.End));
    }

    [Fact]
    public async Task The_system_refuses_no_connection_of_a_black_hole()
    {
        // Guards the tests above: were the port closed, they would prove nothing of time.
        Assert.SkipUnless(BlackHole.IsSupported, "Only Linux drops connections that find the queue full.");
        await using var hole = await BlackHole.StartAsync();
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        using var patience = new CancellationTokenSource(Short);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await socket.ConnectAsync(hole.Address.Host, hole.Address.Port, patience.Token));
    }

    private static void With(IPoolBuilder pool, TimeoutOptions timeouts) => pool.WithRetries(new RetryOptions { MaxAttempts = 1 }).WithTimeouts(timeouts);
}
