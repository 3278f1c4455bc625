namespace ProxyKit.Testing.Tests;

public sealed class RawClientTests
{
    private const string Get = "GET /a HTTP/1.1\r\nHost: x\r\n\r\n";

    [Theory]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", BodyEnd.Complete, "abc")]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabc", BodyEnd.Truncated, "abc")]
    [InlineData("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n", BodyEnd.Complete, "abc")]
    [InlineData("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n", BodyEnd.Truncated, "abc")]
    [InlineData("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", BodyEnd.Truncated, "abc")]
    [InlineData("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n", BodyEnd.Malformed, "abc")]
    [InlineData("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n+3\r\nabc\r\n0\r\n\r\n", BodyEnd.Malformed, "")]
    [InlineData("HTTP/1.1 200 OK\r\n\r\nabc", BodyEnd.Complete, "abc")]
    [InlineData("HTTP/1.1 204 No\r\nX: y\r\n\r\n", BodyEnd.Complete, "")]
    public async Task It_tells_how_a_body_ended(string answer, BodyEnd end, string body)
    {
        await using var backend = ScriptedBackend.Start(Answers.Close(answer));
        var response = await RawClient.ExchangeAsync(backend.Address, Get);
        Assert.Equal((end, body), (response.End, response.Text));
    }

    [Fact]
    public async Task A_body_broken_off_is_a_reset()
    {
        var arrived = new TaskCompletionSource();
        await using var backend = ScriptedBackend.Start(Answers.Reset("HTTP/1.1 200 OK\r\n\r\nabc", arrived.Task));
        await using var client = await RawClient.ConnectAsync(backend.Address);
        await client.SendAsync(Get);
        var head = await client.ReadHeadAsync();
        arrived.SetResult();
        Assert.Equal(BodyEnd.Reset, (await client.ReadBodyAsync(head)).End);
    }

    [Theory]
    [InlineData("HTP/1.1 200 OK\r\n\r\n")]
    [InlineData("HTTP/1.1 2000 OK\r\n\r\n")]
    [InlineData("HTTP/1.1 200 OK\nA: b\r\n\r\n")]
    [InlineData("HTTP/1.1 200 OK\r\nA : b\r\n\r\n")]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab")]
    public async Task It_forgives_nothing_in_a_head(string answer)
    {
        await using var backend = ScriptedBackend.Start(Answers.Close(answer));
        await Assert.ThrowsAsync<InvalidDataException>(() => RawClient.ExchangeAsync(backend.Address, Get));
    }

    [Fact]
    public async Task A_head_cut_short_is_the_end_of_the_stream()
    {
        await using var backend = ScriptedBackend.Start(Answers.Close("HTTP/1.1 200 OK\r\nA: b\r\n"));
        await Assert.ThrowsAsync<EndOfStreamException>(() => RawClient.ExchangeAsync(backend.Address, Get));
    }

    [Fact]
    public async Task It_keeps_order_repeats_and_Latin_1_of_fields_and_the_heads_before()
    {
        await using var backend = ScriptedBackend.Start(Answers.Raw(
            "HTTP/1.1 103 Early\r\nLink: <a>\r\n\r\nHTTP/1.1 200 Gut\xFC\r\nB: \xE4\r\na: 1\r\nA: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nSum: 7\r\n\r\n"));
        var response = await RawClient.ExchangeAsync(backend.Address, Get);
        Assert.Equal("<a>", Assert.Single(response.Informational)["Link"]);
        Assert.Equal("Gut\xFC", response.Reason);
        Assert.Equal("\xE4", response["b"]);
        Assert.Equal("1, 2", response["A"]);
        Assert.Equal("7", response.Trailers["Sum"]);
    }

    [Fact]
    public async Task The_answer_to_HEAD_has_no_body_whatever_it_says()
    {
        await using var backend = ScriptedBackend.Start(Answers.Raw("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n"));
        var response = await RawClient.ExchangeAsync(backend.Address, "HEAD / HTTP/1.1\r\nHost: x\r\n\r\n");
        Assert.Equal((BodyEnd.Complete, ""), (response.End, response.Text));
    }

    [Fact]
    public async Task A_step_that_takes_too_long_says_what_had_come()
    {
        await using var backend = ScriptedBackend.Start(Answers.Gated("HTTP/1.1 200 OK\r\n", Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, TestContext.Current.CancellationToken), ""));
        await using var client = await RawClient.ConnectAsync(backend.Address);
        client.Deadline = TimeSpan.FromMilliseconds(200);
        var fault = await Assert.ThrowsAsync<TimeoutException>(() => client.ExchangeAsync(Get));
        Assert.Contains("HTTP/1.1 200 OK", fault.Message, StringComparison.Ordinal);
    }
}
