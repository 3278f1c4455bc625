namespace ProxyKit.Gateway.Tests;

/// <summary>Whatever the gateway and the backend could count differently is refused, so that no second request hides in the first.</summary>
public sealed class MessageFramingTests
{
    private const string Hidden = "GET /hidden HTTP/1.1\r\nHost: shop.example\r\n\r\n";

    public static readonly TheoryData<string> AmbiguousHeads =
    [
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + Hidden,
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" + Hidden,
        "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc" + Hidden,
        "Content-Length: 3\r\nContent-Length: 0\r\n\r\nabc" + Hidden,
        "Content-Length: 3, 3\r\n\r\nabc" + Hidden,
        "Content-Length: -1\r\n\r\nabc" + Hidden,
        "Content-Length: 0x3\r\n\r\nabc" + Hidden,
        "Content-Length: 3a\r\n\r\nabc" + Hidden,
        "Content-Length: 1 1\r\n\r\nabc" + Hidden,
        "Content-Length: \u00b2\r\n\r\nabc" + Hidden,
        "Content-Length: 18446744073709551619\r\n\r\nabc" + Hidden,
        "Content-Length:\r\n\r\nabc" + Hidden,
        "Content-Length : 3\r\n\r\nabc" + Hidden,
        "Transfer-Encoding: identity\r\n\r\n0\r\n\r\n" + Hidden,
        "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n" + Hidden,
        "Transfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n" + Hidden,
        "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n" + Hidden,
        "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n" + Hidden,
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + Hidden,
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n" + Hidden,
        "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + Hidden,
        "Transfer-Encoding: chunkedx\r\n\r\n0\r\n\r\n" + Hidden,
        "Transfer-Encoding: chunked;a=b\r\n\r\n0\r\n\r\n" + Hidden,
        "Transfer-Encoding: \u000bchunked\r\n\r\n0\r\n\r\n" + Hidden,
        "Transfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n" + Hidden,
        "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n" + Hidden,
        "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n" + Hidden,
        "Transfer-Encoding\t: chunked\r\n\r\n0\r\n\r\n" + Hidden,
        "X: y\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + Hidden,
        "X: y\rTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + Hidden,
    ];

    public static readonly TheoryData<string> BadChunks =
    [
        "-1\r\na\r\n0\r\n\r\n",
        "+1\r\na\r\n0\r\n\r\n",
        "0x1\r\na\r\n0\r\n\r\n",
        "g\r\na\r\n0\r\n\r\n",
        "\r\na\r\n0\r\n\r\n",
        "1 1\r\na\r\n0\r\n\r\n",
        "FFFFFFFFFFFFFFFFF\r\na\r\n0\r\n\r\n",
        "8000000000000000\r\na\r\n0\r\n\r\n",
        "1\r\nab\r\n0\r\n\r\n",
        "1\r\na0\r\n\r\n",
        "1\na\r\n0\r\n\r\n",
        "1\r\na\n0\r\n\r\n",
        "1;a\nb\r\na\r\n0\r\n\r\n",
        "1;\r\r\na\r\n0\r\n\r\n",
        "1\r\na\r\n0\r\nA b\r\n\r\n",
    ];

    [Theory]
    [MemberData(nameof(AmbiguousHeads))]
    public async Task A_length_that_two_readers_could_read_differently_is_refused_and_reaches_nobody(string rest)
    {
        await using var backend = ScriptedBackend.Start();
        await using var gateway = await GatewayHost.OverAsync(backend.Address);
        await using var client = await RawClient.ConnectAsync(gateway.Address);
        var response = await client.ExchangeAsync("POST /first HTTP/1.1\r\nHost: shop.example\r\n" + rest);
        Assert.True(response.Status is 400 or 411 or 501, response.ToString());

        // Where the end of the request is in doubt the connection is of no more use.
        Assert.Empty((await client.ReadToEndAsync()).Bytes);
        await Wire.ServesOthersAsync(gateway);
        Assert.Equal("/well", Assert.Single(backend.Requests).Target);
    }

    [Theory]
    [MemberData(nameof(BadChunks))]
    public async Task A_chunk_that_is_none_ends_the_request_and_is_never_made_whole(string body)
    {
        await using var backend = ScriptedBackend.Start();
        await using var gateway = await GatewayHost.OverAsync(backend.Address);
        await using var client = await RawClient.ConnectAsync(gateway.Address);
        var response = await client.ExchangeAsync("POST /first HTTP/1.1\r\nHost: shop.example\r\nTransfer-Encoding: chunked\r\n\r\n" + body + Hidden);
        Assert.True(response.Status == 400, response.ToString());
        Assert.Empty((await client.ReadToEndAsync()).Bytes);
        await gateway.WhenIdleAsync();
        await Wire.ServesOthersAsync(gateway);

        // The head may have gone before the fault was met; then the request must break off, and be sent once only.
        Assert.DoesNotContain(backend.Requests, request => request.Target == "/hidden");
        foreach (var request in backend.Requests.Where(request => request.Target == "/first"))
        {
            Assert.NotEqual(BodyEnd.Complete, (await request.Read.WaitAsync(backend.Deadline, TestContext.Current.CancellationToken)).End);
        }

        Assert.InRange(backend.Requests.Count, 1, 2);
    }

    [Theory]
    [InlineData("POST / HTTP/1.1\r\nHost: shop.example\r\nTransfer-Encoding: chunked\r\n\r\n3;ext=\"a;b\"\r\nabc\r\n00\r\n\r\n", "abc")]
    [InlineData("POST / HTTP/1.1\r\nHost: shop.example\r\nTransfer-Encoding: Chunked\r\n\r\n003\r\nabc\r\n0\r\nSum: 1\r\n\r\n", "abc")]
    [InlineData("POST / HTTP/1.1\r\nHost: shop.example\r\nContent-Length:  003 \r\n\r\nabc", "abc")]
    [InlineData("POST / HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 0\r\n\r\n", "")]
    [InlineData("POST / HTTP/1.1\r\nHost: shop.example\r\n\r\n", "")]
    [InlineData("GET / HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 3\r\n\r\nabc", "abc")]
    [InlineData("DELETE / HTTP/1.1\r\nHost: shop.example\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", "abc")]
    public async Task A_request_in_order_is_sent_as_one_and_the_next_follows_on_its_connection(string first, string body)
    {
        await using var backend = ScriptedBackend.Start(Answers.Ok("ok"));
        await using var gateway = await GatewayHost.OverAsync(backend.Address);
        await using var client = await RawClient.ConnectAsync(gateway.Address);
        await client.SendAsync(first + Wire.Get("/second"));
        Assert.Equal("ok", (await client.ReadResponseAsync()).Text);
        Assert.Equal("ok", (await client.ReadResponseAsync()).Text);
        Assert.Equal(["/", "/second"], backend.Requests.Select(request => request.Target));
        Assert.Equal((body, BodyEnd.Complete), (backend.Requests[0].Text, backend.Requests[0].End));
        Wire.HoldsNothingElse(backend);
    }

    [Fact]
    public async Task A_length_with_a_sign_is_refused_or_sent_on_as_the_number_it_was_read_as()
    {
        // Kestrel reads +3 as 3, and its app sees the number only.
        await using var backend = ScriptedBackend.Start();
        await using var gateway = await GatewayHost.OverAsync(backend.Address);
        var response = await RawClient.ExchangeAsync(gateway.Address, "POST / HTTP/1.1\r\nHost: shop.example\r\nContent-Length: +3\r\n\r\nabc");
        Assert.True(response.Status is 400 or 200, response.ToString());
        Assert.All(backend.Requests, request => Assert.Equal(("3", "abc"), (request["Content-Length"], request.Text)));
    }

    [Fact]
    public async Task Transfer_Encoding_in_HTTP_1_0_is_refused()
    {
        // RFC 9112 §6.1: its framing is faulty, whatever it says.
        await using var backend = ScriptedBackend.Start();
        await using var gateway = await GatewayHost.OverAsync(backend.Address);
        var response = await RawClient.ExchangeAsync(gateway.Address, "POST / HTTP/1.0\r\nHost: shop.example\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + Hidden);
        Assert.InRange(response.Status, 400, 501);
        Assert.Empty(backend.Requests);
    }

    [Fact]
    public async Task A_request_cut_short_is_never_made_whole()
    {
        await using var backend = ScriptedBackend.Start();
        await using var gateway = await GatewayHost.OverAsync(backend.Address);
        await using var client = await RawClient.ConnectAsync(gateway.Address);
        await client.SendAsync("POST / HTTP/1.1\r\nHost: shop.example\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
        await backend.WhenRequestsAsync(1);
        client.EndSending();
        Assert.NotEqual(BodyEnd.Complete, (await backend.WhenRequestAsync()).End);
        await gateway.WhenIdleAsync();
        Assert.Single(backend.Requests);
    }
}
