using System.Net.Sockets;
using System.Text;

using Microsoft.Extensions.Time.Testing;

namespace ProxyKit.Testing.Tests;

public sealed class ScriptedBackendTests
{
    private const string Get = "GET /a HTTP/1.1\r\nHost: x\r\n\r\n";

    [Fact]
    public async Task It_keeps_the_exact_bytes_of_each_request()
    {
        await using var backend = ScriptedBackend.Start(Answers.Ok("hello"));
        await using var client = await RawClient.ConnectAsync(backend.Address);
        var post = "POST /b?c HTTP/1.1\r\nhOST:x\r\nTransfer-Encoding: chunked\r\n\r\n3;e=f\r\nabc\r\n0\r\nSum: 1\r\n\r\n";
        Assert.Equal("hello", (await client.ExchangeAsync(post)).Text);
        Assert.Equal("hello", (await client.ExchangeAsync(Get)).Text);

        Assert.Equal(post, backend.Requests[0].ToString());
        Assert.Equal(("POST", "/b?c", "abc", "1"), (backend.Requests[0].Method, backend.Requests[0].Target, backend.Requests[0].Text, backend.Requests[0].Trailers["sum"]));
        Assert.Equal(Get, backend.Requests[1].ToString());
        Assert.Equal(post + Get, Encoding.Latin1.GetString(Assert.Single(backend.Connections).Received.Span));
    }

    [Theory]
    [InlineData("GET / HTTP/1.1\nHost: x\r\n\r\n")]
    [InlineData("GET /a b HTTP/1.1\r\nHost: x\r\n\r\n")]
    [InlineData("GET / HTTP/1.1\r\nHost : x\r\n\r\n")]
    [InlineData("GET / HTTP/1.1\r\nHost: x\r\n folded: y\r\n\r\n")]
    [InlineData("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na")]
    [InlineData("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")]
    public async Task A_request_that_is_not_to_the_letter_is_a_fault_and_gets_no_answer(string request)
    {
        await using var backend = ScriptedBackend.Start();
        await using var client = await RawClient.ConnectAsync(backend.Address);
        await client.SendAsync(request);
        var (bytes, end) = await client.ReadToEndAsync();
        Assert.Empty(bytes);
        Assert.Equal(ConnectionEnd.Reset, end);
        Assert.IsType<InvalidDataException>(Assert.Single(backend.Faults));
    }

    [Fact]
    public async Task A_request_cut_short_is_told_from_a_whole_one()
    {
        await using var backend = ScriptedBackend.Start();
        await using (var client = await RawClient.ConnectAsync(backend.Address))
        {
            await client.SendAsync("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nabc");
        }

        var request = await backend.WhenRequestAsync();
        Assert.Equal((BodyEnd.Truncated, "abc"), (request.End, request.Text));
    }

    [Fact]
    public async Task It_resets_before_the_head_or_within_it()
    {
        await using var backend = ScriptedBackend.Start(Answers.InTurn(Answers.Reset(), Answers.Reset("HTTP/1.1 20")));
        foreach (var expected in (string[])["", "HTTP/1.1 20"])
        {
            await using var client = await RawClient.ConnectAsync(backend.Address);
            await client.SendAsync(Get);
            var (bytes, end) = await client.ReadToEndAsync();
            Assert.Equal((expected, ConnectionEnd.Reset), (Encoding.Latin1.GetString(bytes), end));
        }
    }

    [Fact]
    public async Task It_never_answers_until_the_client_leaves()
    {
        await using var backend = ScriptedBackend.Start(Answers.Never());
        var client = await RawClient.ConnectAsync(backend.Address);
        await client.SendAsync(Get);
        var connection = (await backend.WhenConnectionsAsync(1))[0];
        await backend.WhenRequestAsync();
        Assert.False(connection.Ended.IsCompleted);
        client.Reset();
        Assert.Equal(ConnectionEnd.Reset, await connection.Ended.WaitAsync(backend.Deadline, TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task It_closes_a_connection_that_rests()
    {
        await using var backend = ScriptedBackend.Start(Answers.Ok("hello"));
        backend.IdleTimeout = TimeSpan.FromMilliseconds(50);
        await using var client = await RawClient.ConnectAsync(backend.Address);
        Assert.Equal("hello", (await client.ExchangeAsync(Get)).Text);
        Assert.Equal(ConnectionEnd.Closed, (await client.ReadToEndAsync()).End);
        Assert.Single(backend.Requests);
    }

    [Fact]
    public async Task A_killed_one_resets_and_refuses_and_comes_back_on_its_port()
    {
        await using var backend = ScriptedBackend.Start(Answers.Ok("again"));
        await using var client = await RawClient.ConnectAsync(backend.Address);
        await client.ExchangeAsync(Get);
        for (var i = 0; i < 3; i++)
        {
            backend.Kill();
            Assert.Equal(ConnectionEnd.Reset, (await client.ReadToEndAsync()).End);
            await Assert.ThrowsAsync<SocketException>(() => RawClient.ConnectAsync(backend.Address));
            backend.Revive();
            Assert.Equal("again", (await RawClient.ExchangeAsync(backend.Address, Get)).Text);
        }
    }

    [Fact]
    public async Task A_script_that_throws_is_a_fault()
    {
        await using var backend = ScriptedBackend.Start(_ => throw new InvalidOperationException("script"));
        await Assert.ThrowsAsync<EndOfStreamException>(() => RawClient.ExchangeAsync(backend.Address, Get));
        Assert.Equal("script", Assert.Single(backend.Faults).Message);
    }

    [Fact]
    public async Task A_wait_in_vain_says_what_had_come()
    {
        await using var backend = ScriptedBackend.Start();
        backend.Deadline = TimeSpan.FromMilliseconds(10);
        var fault = await Assert.ThrowsAsync<TimeoutException>(() => backend.WhenRequestsAsync(2));
        Assert.Contains("0 of 2 requests", fault.Message, StringComparison.Ordinal);
        backend.Deadline = TimeSpan.FromSeconds(20);
    }

    [Fact]
    public async Task A_closed_port_refuses()
    {
        using var closed = new ClosedPort();
        var fault = await Assert.ThrowsAsync<SocketException>(() => RawClient.ConnectAsync(closed.Address));
        Assert.Equal(SocketError.ConnectionRefused, fault.SocketErrorCode);
    }

    [Fact]
    public async Task A_black_hole_neither_takes_nor_refuses()
    {
        Assert.SkipUnless(BlackHole.IsSupported, "Only Linux drops connections that find the queue full.");
        await using var hole = await BlackHole.StartAsync();
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        using var patience = new CancellationTokenSource(TimeSpan.FromMilliseconds(100));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await socket.ConnectAsync(hole.Address.Host, hole.Address.Port, patience.Token));
    }

    [Fact]
    public async Task A_black_hole_may_take_the_port_of_a_dead_backend_and_give_it_back()
    {
        Assert.SkipUnless(BlackHole.IsSupported, "Only Linux drops connections that find the queue full.");
        await using var backend = ScriptedBackend.Start(Answers.Ok("here"));
        await RawClient.ExchangeAsync(backend.Address, Get);
        backend.Kill();
        await using (var hole = await BlackHole.StartAsync(backend.Address.Port))
        {
            Assert.Equal(backend.Address, hole.Address);
        }

        backend.Revive();
        Assert.Equal("here", (await RawClient.ExchangeAsync(backend.Address, Get)).Text);
    }

    [Fact]
    public async Task It_becomes_a_black_hole_from_one_moment_to_the_next_and_comes_back()
    {
        Assert.SkipUnless(BlackHole.IsSupported, "Only Linux drops connections that find the queue full.");
        await using var backend = ScriptedBackend.Start(Answers.Ok("here"));
        await using var client = await RawClient.ConnectAsync(backend.Address);
        await client.ExchangeAsync(Get);
        await backend.SwallowAsync();
        Assert.Contains((await client.ReadToEndAsync()).End, new[] { ConnectionEnd.Reset, ConnectionEnd.Closed }); // its end may meet the reset on the way
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        using var patience = new CancellationTokenSource(TimeSpan.FromMilliseconds(100));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await socket.ConnectAsync(backend.Address.Host, backend.Address.Port, patience.Token));
        Assert.Single(backend.Requests);
        backend.Kill();
        backend.Revive();
        Assert.Equal("here", (await RawClient.ExchangeAsync(backend.Address, Get)).Text);
    }

    [Fact]
    public async Task It_lies_fails_now_and_then_and_is_slow()
    {
        var time = new WatchedTime();
        await using var backend = ScriptedBackend.Start(Answers.At("/healthz", Answers.Ok("well"), Answers.Sometimes(0.4, Answers.Status(500), Answers.Ok())));
        Assert.Equal("well", (await RawClient.ExchangeAsync(backend.Address, "GET /healthz?a HTTP/1.1\r\nHost: x\r\n\r\n")).Text);
        var failed = 0;
        for (var i = 0; i < 10; i++)
        {
            failed += (await RawClient.ExchangeAsync(backend.Address, Get)).Status == 500 ? 1 : 0;
        }

        Assert.Equal(4, failed);
        backend.Answer = Answers.After(TimeSpan.FromSeconds(5), time, Answers.Ok("late"));
        var late = RawClient.ExchangeAsync(backend.Address, Get);
        await time.TimerSet.Task.WaitAsync(backend.Deadline, TestContext.Current.CancellationToken);
        Assert.False(late.IsCompleted);
        time.Advance(TimeSpan.FromSeconds(5));
        Assert.Equal("late", (await late).Text);
    }

    /// <summary>A clock that says when somebody waits for it.</summary>
    private sealed class WatchedTime : FakeTimeProvider
    {
        public TaskCompletionSource TimerSet { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            var timer = base.CreateTimer(callback, state, dueTime, period);
            TimerSet.TrySetResult();
            return timer;
        }
    }
}
