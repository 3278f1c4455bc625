namespace ProxyKit.Gateway.Tests;

/// <summary>A body that breaks midway must look broken to the client: never a clean short answer.</summary>
public sealed class BodyEndTests
{
    public static readonly TheoryData<string> Broken =
    [
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n5\r\nde",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nxyz\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n-1\r\n\r\n",
    ];

    [Theory]
    [MemberData(nameof(Broken))]
    public async Task A_body_that_ends_too_early_is_cut_for_the_client_as_well(string answer)
    {
        await using var backend = ScriptedBackend.Start(Answers.Close(answer));
        await using var gateway = await GatewayHost.OverAsync(backend.Address);
        Assert.True(await IsCutAsync(gateway));
        Assert.Single(backend.Requests); // the answer had begun: nobody else may be asked
        await gateway.WhenIdleAsync();
    }

    [Theory]
    [MemberData(nameof(Broken))]
    public async Task And_so_it_is_over_HTTP_2(string answer)
    {
        await using var backend = ScriptedBackend.Start(Answers.Close(answer));
        await using var gateway = await GatewayHost.OverAsync(backend.Address);
        using var client = gateway.NewHttp2Client();
        await Assert.ThrowsAsync<HttpRequestException>(() => client.GetByteArrayAsync(new Uri("/", UriKind.Relative), TestContext.Current.CancellationToken));
        await gateway.WhenIdleAsync();
    }

    [Theory]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")]
    [InlineData("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")]
    [InlineData("HTTP/1.1 200 OK\r\n\r\nabc")]
    public async Task A_reset_midway_is_passed_on_after_what_had_come(string answer)
    {
        var arrived = new TaskCompletionSource();
        await using var backend = ScriptedBackend.Start(Answers.Reset(answer, arrived.Task));
        await using var gateway = await GatewayHost.OverAsync(backend.Address);
        await using var client = await RawClient.ConnectAsync(gateway.Address);
        await client.SendAsync(Wire.Get());
        var head = await client.ReadHeadAsync();
        Assert.Equal(200, head.Status);
        arrived.SetResult();
        Assert.NotEqual(BodyEnd.Complete, (await client.ReadBodyAsync(head)).End);
        await gateway.WhenIdleAsync();
    }

    [Theory]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")]
    [InlineData("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")]
    public async Task A_broken_body_harms_no_other_stream_of_the_same_HTTP_2_connection(string answer)
    {
        var breaks = new TaskCompletionSource();
        await using var backend = ScriptedBackend.Start(exchange => exchange.Request.Target == "/broken"
            ? Answers.Reset(answer, breaks.Task)(exchange)
            : Answers.Gated("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabc", breaks.Task, "def")(exchange));
        await using var gateway = await GatewayHost.OverAsync(backend.Address);
        using var client = gateway.NewHttp2Client();
        using var broken = await client.GetAsync(new Uri("/broken", UriKind.Relative), HttpCompletionOption.ResponseHeadersRead, TestContext.Current.CancellationToken);
        using var whole = await client.GetAsync(new Uri("/whole", UriKind.Relative), HttpCompletionOption.ResponseHeadersRead, TestContext.Current.CancellationToken);
        breaks.SetResult();
        var fault = await Record.ExceptionAsync(() => broken.Content.ReadAsStringAsync(TestContext.Current.CancellationToken));
        Assert.True(fault is HttpRequestException or HttpProtocolException, fault?.ToString());
        Assert.Equal("abcdef", await whole.Content.ReadAsStringAsync(TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task A_body_that_is_longer_than_declared_ends_where_it_was_declared_to_end()
    {
        await using var backend = ScriptedBackend.Start(Answers.Close("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcdef"));
        await using var gateway = await GatewayHost.OverAsync(backend.Address);
        await using var client = await RawClient.ConnectAsync(gateway.Address);
        for (var i = 0; i < 2; i++)
        {
            var response = await client.ExchangeAsync(Wire.Get());
            Assert.Equal((200, "abc", BodyEnd.Complete), (response.Status, response.Text, response.End));
        }
    }

    [Fact]
    public async Task A_body_that_ends_with_the_connection_arrives_whole()
    {
        await using var backend = ScriptedBackend.Start(Answers.Close("HTTP/1.1 200 OK\r\n\r\nabc"));
        await using var gateway = await GatewayHost.OverAsync(backend.Address);
        await using var client = await RawClient.ConnectAsync(gateway.Address);
        for (var i = 0; i < 2; i++)
        {
            var response = await client.ExchangeAsync(Wire.Get());
            Assert.Equal(("abc", BodyEnd.Complete, "chunked"), (response.Text, response.End, response["Transfer-Encoding"]));
        }
    }

    // Before the head or within the body: a cut, or an honest 502 where nothing had been said yet.
    private static async Task<bool> IsCutAsync(GatewayHost gateway)
    {
        try
        {
            var response = await RawClient.ExchangeAsync(gateway.Address, Wire.Get());
            return response.End != BodyEnd.Complete || response.Status == 502;
        }
        catch (EndOfStreamException)
        {
            return true;
        }
    }
}
