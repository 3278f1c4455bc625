using System.Text;

namespace ProxyKit.Gateway.Tests;

/// <summary>A body is sent again byte for byte, or not at all.</summary>
public sealed class ReplayTests
{
    private static readonly string Small = Text(32 * 1024);
    private static readonly string Large = Text(1024 * 1024);

    [Fact]
    public async Task A_small_body_goes_whole_to_the_second_host_where_the_first_refuses()
    {
        using var closed = new ClosedPort();
        await using var backend = ScriptedBackend.Start(Answers.Ok("here"));
        await using var gateway = await GatewayHost.OverAsync(closed.Address, backend.Address);
        Assert.Equal("here", (await RawClient.ExchangeAsync(gateway.Address, Wire.Post(Small))).Text);
        Assert.Equal(Small, Assert.Single(backend.Requests).Text);
    }

    [Fact]
    public async Task A_large_body_of_which_nothing_was_taken_is_streamed_to_the_second_host()
    {
        using var closed = new ClosedPort();
        await using var backend = ScriptedBackend.Start(Answers.Ok("here"));
        await using var gateway = await GatewayHost.OverAsync(closed.Address, backend.Address);
        var response = await RawClient.ExchangeAsync(gateway.Address, Wire.Post(Large));
        Assert.Equal((200, "here"), (response.Status, response.Text));
        Assert.Equal(Large, Assert.Single(backend.Requests).Text);
    }

    [Fact]
    public async Task A_small_body_with_a_key_goes_whole_to_the_second_host_where_the_first_breaks()
    {
        await using var breaks = ScriptedBackend.Start(Answers.Reset());
        await using var backend = ScriptedBackend.Start(Answers.Ok("here"));
        await using var gateway = await GatewayHost.OverAsync(breaks.Address, backend.Address);
        Assert.Equal("here", (await RawClient.ExchangeAsync(gateway.Address, Wire.Post(Small, "/", "Idempotency-Key: 1"))).Text);
        Assert.Equal(Small, Assert.Single(backend.Requests).Text);
    }

    [Fact]
    public async Task A_body_in_chunks_goes_whole_to_the_second_host()
    {
        await using var breaks = ScriptedBackend.Start(Answers.Reset());
        await using var backend = ScriptedBackend.Start(Answers.Ok("here"));
        await using var gateway = await GatewayHost.OverAsync(breaks.Address, backend.Address);
        var chunks = string.Concat(Enumerable.Range(1, 100).Select(i => $"{i:x}\r\n{new string((char)('a' + (i % 26)), i)}\r\n"));
        var body = string.Concat(Enumerable.Range(1, 100).Select(i => new string((char)('a' + (i % 26)), i)));
        var response = await RawClient.ExchangeAsync(gateway.Address, $"PUT / HTTP/1.1\r\nHost: shop.example\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}0\r\n\r\n");
        Assert.Equal("here", response.Text);
        Assert.Equal(body, Assert.Single(backend.Requests).Text);
    }

    [Fact]
    public async Task A_large_body_that_was_begun_is_never_sent_in_part()
    {
        await using var breaks = ScriptedBackend.Start(Answers.Reset());
        await using var backend = ScriptedBackend.Start(Answers.Ok("here"));
        await using var gateway = await GatewayHost.OverAsync(breaks.Address, backend.Address);
        var response = await RawClient.ExchangeAsync(gateway.Address, Wire.Post(Large, "/", "Idempotency-Key: 1"));
        Wire.IsProblem(response, 502);
        Assert.Empty(backend.Requests);
    }

    [Fact]
    public async Task A_body_that_breaks_off_while_it_is_sent_again_is_never_made_whole()
    {
        var resetAfterPart = (BackendAnswer)(async exchange =>
        {
            await exchange.Connection.ReadAsync(new byte[64 * 1024]);
            exchange.Connection.Reset();
        });
        await using var breaks = ScriptedBackend.Start(resetAfterPart);
        await using var backend = ScriptedBackend.Start();
        await using var gateway = await GatewayHost.OverAsync(breaks.Address, backend.Address);
        await using var client = await RawClient.ConnectAsync(gateway.Address);
        await client.SendAsync("PUT / HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 1000\r\n\r\nabc");
        await (await breaks.WhenConnectionsAsync(1))[0].Ended.WaitAsync(breaks.Deadline, TestContext.Current.CancellationToken);
        await client.SendAsync("def");
        await backend.WhenRequestsAsync(1);
        client.Reset();
        var request = await backend.WhenRequestAsync();
        Assert.NotEqual(BodyEnd.Complete, request.End);
        Assert.StartsWith(request.Text, "abcdef", StringComparison.Ordinal);
        await gateway.WhenIdleAsync();
    }

    [Fact]
    public async Task An_expected_100_survives_a_first_host_that_refuses()
    {
        using var closed = new ClosedPort();
        await using var backend = ScriptedBackend.Start(Answers.Continue(Answers.Ok("here")));
        await using var gateway = await GatewayHost.OverAsync(closed.Address, backend.Address);
        await using var client = await RawClient.ConnectAsync(gateway.Address);
        await client.SendAsync($"POST / HTTP/1.1\r\nHost: shop.example\r\nExpect: 100-continue\r\nContent-Length: {Small.Length}\r\n\r\n");
        Assert.Equal("HTTP/1.1 100 Continue\r\n\r\n", Wire.Text(await client.ReadExactlyAsync(25)));
        await client.SendAsync(Small);
        Assert.Equal("here", (await client.ReadResponseAsync()).Text);
        Assert.Equal(Small, Assert.Single(backend.Requests).Text);
    }

    [Fact]
    public async Task An_answer_before_the_body_was_sent_whole_is_relayed_and_the_connection_stays_in_step()
    {
        await using var backend = ScriptedBackend.Start(exchange => exchange.Request.Target == "/early"
            ? Answers.Early("HTTP/1.1 413 No\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno")(exchange)
            : Answers.Ok("next")(exchange));
        await using var gateway = await GatewayHost.OverAsync(backend.Address);
        await using var client = await RawClient.ConnectAsync(gateway.Address);
        await client.SendAsync("POST /early HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 6\r\n\r\nabc");
        await backend.WhenRequestsAsync(1);

        // What is left of the body must not be read as a request.
        await client.SendAsync("GET" + Wire.Get("/next"));
        var response = await client.ReadResponseAsync();
        Assert.Equal((413, "no"), (response.Status, response.Text));
        try
        {
            Assert.Equal("next", (await client.ReadResponseAsync()).Text);
        }
        catch (EndOfStreamException)
        {
            // To close the connection is as good (RFC 9112 §9.6).
        }

        Assert.DoesNotContain(backend.Requests, request => request.Method == "GETGET");
        await gateway.WhenIdleAsync();
    }

    private static string Text(int length)
    {
        var text = new StringBuilder(length);
        for (var i = 0; text.Length < length; i++)
        {
            text.Append(i).Append(' ');
        }

        return text.ToString(0, length);
    }
}
