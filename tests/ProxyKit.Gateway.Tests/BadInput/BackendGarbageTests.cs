namespace ProxyKit.Gateway.Tests;

public sealed class BackendGarbageTests
{
    public static readonly TheoryData<string> NoAnswers =
    [
        "hello\r\n\r\n",
        "SSH-2.0-OpenSSH_9.9\r\n",
        "\0\0\u0012\u0004\0\0\0\0\0\r\n\r\n",
        "HTTP/1.1 abc OK\r\n\r\n",
        "HTTP/1.1 20\r\n\r\n",
        "HTTP/1.1 2000 OK\r\n\r\n",
        "HTTP/1.1 099 OK\r\nContent-Length: 0\r\n\r\n",
        "HTTP/9.9 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA b: c\r\n\r\n",
        "HTTP/1.1 200 OK\r\n: c\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA: b",
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        "HTTP/1.1 200 OK\r\nContent-Length: 4, 3\r\n\r\nabcd",
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nabcd",
        "HTTP/1.1 200 OK\r\nContent-Length: 3a\r\n\r\nabcd",
        "HTTP/1.1 200 OK\r\nContent-Length: 0x3\r\n\r\nabcd",
        "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\nabcd",
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nA: b\u0001c\r\n\r\nabc",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    ];

    [Theory]
    [MemberData(nameof(NoAnswers))]
    public async Task What_is_no_answer_becomes_an_honest_502(string garbage)
    {
        await using var backend = ScriptedBackend.Start(Answers.InTurn(Answers.Close(garbage), Answers.Ok("well")));
        await using var gateway = await GatewayHost.OverAsync(pool => pool.WithRetries(new RetryOptions { MaxAttempts = 1 }), backend.Address);
        await using var client = await RawClient.ConnectAsync(gateway.Address);
        Wire.IsProblem(await client.ExchangeAsync(Wire.Get()), 502);

        // The client's connection is in order, and so is whatever else it asks.
        Assert.Equal("well", (await client.ExchangeAsync(Wire.Get())).Text);
        await gateway.WhenIdleAsync();
    }

    [Fact]
    public async Task A_connection_that_is_closed_in_place_of_an_answer_becomes_an_honest_502()
    {
        await using var backend = ScriptedBackend.Start(Answers.Close());
        await using var gateway = await GatewayHost.OverAsync(pool => pool.WithRetries(new RetryOptions { MaxAttempts = 1 }), backend.Address);
        Wire.IsProblem(await RawClient.ExchangeAsync(gateway.Address, Wire.Get()), 502);
        await gateway.WhenIdleAsync();
    }

    [Theory]
    [InlineData(1, 70_000)]
    [InlineData(5_000, 20)]
    public async Task A_head_that_is_too_large_becomes_an_honest_502(int fields, int length)
    {
        var head = string.Concat(Enumerable.Range(0, fields).Select(i => $"X-{i}: {new string('a', length)}\r\n"));
        await using var backend = ScriptedBackend.Start(Answers.Close($"HTTP/1.1 200 OK\r\n{head}Content-Length: 0\r\n\r\n"));
        await using var gateway = await GatewayHost.OverAsync(pool => pool.WithRetries(new RetryOptions { MaxAttempts = 1 }), backend.Address);
        Wire.IsProblem(await RawClient.ExchangeAsync(gateway.Address, Wire.Get()), 502);
    }

    [Fact]
    public async Task Two_equal_lengths_are_refused_or_become_one()
    {
        await using var backend = ScriptedBackend.Start(Answers.Close("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc"));
        await using var gateway = await GatewayHost.OverAsync(pool => pool.WithRetries(new RetryOptions { MaxAttempts = 1 }), backend.Address);
        var response = await RawClient.ExchangeAsync(gateway.Address, Wire.Get());
        Assert.True((response.Status, response.Text, response["Content-Length"]) is (502, _, _) or (200, "abc", "3"), response.ToString());
        Assert.Equal(BodyEnd.Complete, response.End);
    }

    [Fact]
    public async Task An_answer_with_length_and_chunks_is_refused_or_read_as_chunks()
    {
        // RFC 9112 §6.3: Transfer-Encoding overrides, and the length must go.
        await using var backend = ScriptedBackend.Start(Answers.Close("HTTP/1.1 200 OK\r\nContent-Length: 30\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"));
        await using var gateway = await GatewayHost.OverAsync(pool => pool.WithRetries(new RetryOptions { MaxAttempts = 1 }), backend.Address);
        var response = await RawClient.ExchangeAsync(gateway.Address, Wire.Get());
        Assert.True((response.Status, response.Text) is (502, _) or (200, "abc"), response.ToString());
        Assert.Equal(BodyEnd.Complete, response.End);
    }

    [Theory]
    [InlineData("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, identity\r\n\r\n3\r\nabc\r\n0\r\n\r\n")]
    [InlineData("HTTP/1.1 200 OK\r\nTransfer-Encoding: xchunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")]
    [InlineData("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")]
    public async Task A_coding_that_the_gateway_does_not_know_is_not_handed_on_as_if_it_were_none(string answer)
    {
        await using var backend = ScriptedBackend.Start(Answers.Close(answer));
        await using var gateway = await GatewayHost.OverAsync(pool => pool.WithRetries(new RetryOptions { MaxAttempts = 1 }), backend.Address);
        Wire.IsProblem(await RawClient.ExchangeAsync(gateway.Address, Wire.Get()), 502);
    }

    [Theory]
    [InlineData("HTTP/1.1 200 OK\r\nA: b\r\n c\r\nContent-Length: 3\r\n\r\nabc")]
    [InlineData("HTTP/1.1 200 OK\nContent-Length: 3\n\nabc")]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nA: b\0c\r\n\r\nabc")]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nA: b\rInjected: c\r\n\r\nabc")]
    [InlineData("HTTP/1.1 200\r\nContent-Length: 3\r\n\r\nabc")]
    [InlineData("HTTP/1.1 200 Gut\u00fc\r\nContent-Length: 3\r\n\r\nabc")]
    [InlineData("HTTP/1.0 200 OK\r\n\r\nabc")]
    public async Task What_a_lenient_reader_accepts_is_written_to_the_letter(string answer)
    {
        // RFC 9112 §2.2 and §5.2 let a client read on; what it hands on must be right, and RawClient forgives nothing.
        await using var backend = ScriptedBackend.Start(Answers.Close(answer));
        await using var gateway = await GatewayHost.OverAsync(pool => pool.WithRetries(new RetryOptions { MaxAttempts = 1 }), backend.Address);
        var response = await RawClient.ExchangeAsync(gateway.Address, Wire.Get());
        Assert.True((response.Status, response.Text) is (502, _) or (200, "abc"), response.ToString());
        Assert.Equal(BodyEnd.Complete, response.End);
        Assert.False(response.Fields.Contains("Injected"));
        Assert.DoesNotContain(response.Fields, field => field.Value.AsSpan().ContainsAny("\0\r\n")); // RFC 9110 §5.5: replaced by a space, or refused
    }

    [Theory]
    [InlineData("HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", 204)]
    [InlineData("HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello", 204)]
    [InlineData("HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 204)]
    [InlineData("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", 304)]
    [InlineData("HTTP/1.1 205 Reset Content\r\nContent-Length: 0\r\n\r\n", 205)]
    public async Task An_answer_without_body_has_none_whatever_it_says(string answer, int status)
    {
        await using var backend = ScriptedBackend.Start(Answers.InTurn(Answers.Close(answer), Answers.Ok("well")));
        await using var gateway = await GatewayHost.OverAsync(backend.Address);
        await using var client = await RawClient.ConnectAsync(gateway.Address);
        var response = await client.ExchangeAsync(Wire.Get());
        Assert.Equal((status, ""), (response.Status, response.Text));
        Assert.Equal("well", (await client.ExchangeAsync(Wire.Get())).Text);
    }

    [Fact]
    public async Task An_answer_to_HEAD_keeps_its_length_and_has_no_body()
    {
        await using var backend = ScriptedBackend.Start(Answers.Raw("HTTP/1.1 200 OK\r\nContent-Length: 12345\r\n\r\n"));
        await using var gateway = await GatewayHost.OverAsync(backend.Address);
        await using var client = await RawClient.ConnectAsync(gateway.Address);
        for (var i = 0; i < 2; i++)
        {
            var response = await client.ExchangeAsync("HEAD / HTTP/1.1\r\nHost: shop.example\r\n\r\n");
            Assert.Equal((200, "12345", ""), (response.Status, response["Content-Length"], response.Text));
        }
    }

    [Theory]
    [InlineData("HTTP/1.1 100 Continue\r\n\r\n")]
    [InlineData("HTTP/1.1 102 Processing\r\nX: y\r\n\r\n")]
    [InlineData("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")]
    public async Task A_flood_of_1xx_ends_in_the_answer_or_in_an_honest_refusal(string informational)
    {
        await using var backend = ScriptedBackend.Start(Answers.Flood(informational, 5_000, Answers.Ok("at last")));
        await using var gateway = await GatewayHost.OverAsync(pool => pool.WithRetries(new RetryOptions { MaxAttempts = 1 }), backend.Address);
        var response = await RawClient.ExchangeAsync(gateway.Address, Wire.Get());
        Assert.True((response.Status, response.Text) is (502, _) or (200, "at last"), response.ToString());
        await gateway.WhenIdleAsync();
    }

    [Fact]
    public async Task A_flood_of_1xx_without_end_ends_at_the_limit_for_the_first_byte()
    {
        await using var backend = ScriptedBackend.Start(Answers.Flood("HTTP/1.1 102 Processing\r\n\r\n", int.MaxValue, Answers.Ok()));
        await using var gateway = await GatewayHost.OverAsync(
            pool => pool.WithRetries(new RetryOptions { MaxAttempts = 1 }).WithTimeouts(new TimeoutOptions { FirstByte = TimeSpan.FromMilliseconds(300) }), backend.Address);
        var response = await RawClient.ExchangeAsync(gateway.Address, Wire.Get());
        Assert.True(response.Status is 502 or 504, response.ToString());
        await gateway.WhenIdleAsync();
        await Task.WhenAll(backend.Connections.Select(connection => connection.Ended)).WaitAsync(backend.Deadline, TestContext.Current.CancellationToken);
    }

    [Fact]
    public async Task What_follows_a_body_is_never_the_answer_to_somebody_elses_request()
    {
        await using var backend = ScriptedBackend.Start(Answers.InTurn(
            Answers.Raw("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"),
            Answers.Raw("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood")));
        await using var gateway = await GatewayHost.OverAsync(backend.Address);
        Assert.Equal("abc", (await RawClient.ExchangeAsync(gateway.Address, Wire.Get("/first"))).Text);
        Assert.Equal("good", (await RawClient.ExchangeAsync(gateway.Address, Wire.Get("/second"))).Text);
        Assert.Equal(2, backend.Connections.Count);
    }
}
