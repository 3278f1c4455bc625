using Microsoft.AspNetCore.Builder;

namespace ProxyKit.Gateway.Tests;

public sealed class TrailerTests
{
    private const string Answer = "HTTP/1.1 200 OK\r\nTrailer: Sum\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nSum: 7\r\n\r\n";
    private const string Asking = "GET / HTTP/1.1\r\nHost: shop.example\r\nTE: trailers\r\nConnection: TE\r\n\r\n";

    [Fact]
    public async Task Trailers_reach_a_client_that_asks_for_them()
    {
        await using var backend = ScriptedBackend.Start(Answers.Raw(Answer));
        await using var gateway = await GatewayHost.OverAsync(backend.Address);
        await using var client = await RawClient.ConnectAsync(gateway.Address);
        for (var i = 0; i < 3; i++)
        {
            var response = await client.ExchangeAsync(Asking);
            Assert.Equal(("abc", BodyEnd.Complete, null), (response.Text, response.End, response["Sum"]));
            Assert.Equal(("7", "Sum", "chunked"), (response.Trailers["Sum"], response["Trailer"], response["Transfer-Encoding"]));
        }

        Assert.Single(backend.Connections);
        Assert.All(backend.Requests, request => Assert.Equal(("trailers", "TE"), (request["TE"], request["Connection"])));
    }

    [Theory]
    [InlineData("GET / HTTP/1.1\r\nHost: a\r\n\r\n", Answer)] // the client did not ask
    [InlineData("GET / HTTP/1.0\r\nHost: a\r\nTE: trailers\r\n\r\n", Answer)] // and could not have
    [InlineData(Asking, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nSum: 7\r\n\r\n")] // none are announced
    [InlineData(Asking, "HTTP/1.1 200 OK\r\nTrailer: Sum\r\nContent-Length: 3\r\n\r\nabc")] // there is no place for them
    public async Task Otherwise_they_are_left_out(string request, string answer)
    {
        await using var backend = ScriptedBackend.Start(Answers.Raw(answer));
        await using var gateway = await GatewayHost.OverAsync(backend.Address);
        var response = await RawClient.ExchangeAsync(gateway.Address, request);
        Assert.Equal(("abc", null), (response.Text, response["Sum"]));
        Assert.Empty(response.Trailers);
    }

    [Fact]
    public async Task An_answer_without_body_has_no_trailers()
    {
        await using var backend = ScriptedBackend.Start(Answers.Raw("HTTP/1.1 304 Not Modified\r\nTrailer: Sum\r\n\r\n"));
        await using var gateway = await GatewayHost.OverAsync(backend.Address);
        await using var client = await RawClient.ConnectAsync(gateway.Address);
        Assert.Equal((304, ""), ((await client.ExchangeAsync(Asking)).Status, (await client.ExchangeAsync(Asking)).Text));
    }

    [Fact]
    public async Task A_trailer_that_frames_or_belongs_to_the_connection_is_left_out()
    {
        await using var backend = ScriptedBackend.Start(Answers.Raw(
            "HTTP/1.1 200 OK\r\nTrailer: Sum\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nContent-Length: 7\r\nTransfer-Encoding: x\r\nConnection: close\r\nSum: 7\r\nSum: 8\r\n\r\n"));
        await using var gateway = await GatewayHost.OverAsync(backend.Address);
        await using var client = await RawClient.ConnectAsync(gateway.Address);
        var response = await client.ExchangeAsync(Asking);
        Assert.Equal(("", "7, 8", 2), (response.Text, response.Trailers["Sum"], response.Trailers.Count));
        Assert.Equal("7, 8", (await client.ExchangeAsync(Asking)).Trailers["Sum"]);
    }

    [Fact]
    public async Task A_large_body_before_trailers_is_whole()
    {
        var body = string.Concat(Enumerable.Range(0, 60_000).Select(number => $"{number} "));
        var chunks = string.Concat(body.Chunk(50_000).Select(chunk => $"{chunk.Length:x}\r\n{new string(chunk)}\r\n"));
        await using var backend = ScriptedBackend.Start(Answers.Raw($"HTTP/1.1 200 OK\r\nTrailer: Sum\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}0\r\nSum: 7\r\n\r\n"));
        await using var gateway = await GatewayHost.OverAsync(backend.Address);
        var response = await RawClient.ExchangeAsync(gateway.Address, Asking);
        Assert.Equal((BodyEnd.Complete, "7"), (response.End, response.Trailers["Sum"]));
        Assert.Equal(body, response.Text);
    }

    [Fact]
    public async Task A_body_that_breaks_off_before_its_trailers_never_looks_whole()
    {
        var gate = new TaskCompletionSource();
        await using var backend = ScriptedBackend.Start(Answers.Reset("HTTP/1.1 200 OK\r\nTrailer: Sum\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", gate.Task));
        await using var gateway = await GatewayHost.OverAsync(backend.Address);
        await using var client = await RawClient.ConnectAsync(gateway.Address);
        await client.SendAsync(Asking);
        var head = await client.ReadHeadAsync();
        Assert.Equal("0003\r\nabc\r\n", Wire.Text(await client.ReadExactlyAsync(11)));
        gate.SetResult();
        Assert.Equal(200, head.Status);
        Assert.Empty((await client.ReadToEndAsync()).Bytes);
    }

    [Fact]
    public async Task A_middleware_that_changes_the_body_gets_the_body_and_no_chunks()
    {
        await using var backend = ScriptedBackend.Start(Answers.Raw(Answer));
        await using var gateway = await GatewayHost.StartAsync(
            proxyKit => proxyKit.AddPool("p", backend.Address.ToString()),
            app =>
            {
                app.Use(async (context, next) =>
                {
                    var (body, kept) = (context.Response.Body, new MemoryStream());
                    context.Response.Body = kept;
                    await next();
                    context.Response.Body = body;
                    await context.Response.BodyWriter.WriteAsync(kept.ToArray().Reverse().ToArray());
                });
                app.MapPool("/{**rest}", "p");
            });
        Assert.Equal("cba", (await RawClient.ExchangeAsync(gateway.Address, Asking)).Text);
    }

    [Fact]
    public async Task Over_HTTP_2_they_reach_the_client()
    {
        await using var backend = ScriptedBackend.Start(Answers.Raw(Answer));
        await using var gateway = await GatewayHost.OverAsync(backend.Address);
        using var client = gateway.NewHttp2Client();
        using var response = await client.GetAsync(new Uri("/", UriKind.Relative), TestContext.Current.CancellationToken);
        Assert.Equal("abc", await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken));
        Assert.Equal("7", Assert.Single(response.TrailingHeaders.GetValues("Sum")));
    }

    [Theory]
    [InlineData("Content-Length: 3")]
    [InlineData("Transfer-Encoding: identity")]
    [InlineData("Host: admin.example")]
    [InlineData("X-Forwarded-For: 10.0.0.1")]
    [InlineData("Sum: 7")]
    public async Task Trailers_of_a_request_never_become_fields_of_its_head(string trailer)
    {
        await using var backend = ScriptedBackend.Start();
        await using var gateway = await GatewayHost.OverAsync(backend.Address);
        var response = await RawClient.ExchangeAsync(
            gateway.Address, $"POST / HTTP/1.1\r\nHost: shop.example\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n{trailer}\r\n\r\n");
        Assert.True(response.Status is 200 or 400, response.ToString());
        var name = trailer.Split(':')[0];
        Assert.All(backend.Requests, request => Assert.DoesNotContain(trailer, request.Head, StringComparison.OrdinalIgnoreCase));
        Assert.All(backend.Requests, request => Assert.True(name == "Sum" || !request.Trailers.Contains(name), name));
    }

    [Fact]
    public async Task Trailers_of_a_request_reach_the_backend_or_are_left_out_and_its_body_is_whole()
    {
        await using var backend = ScriptedBackend.Start();
        await using var gateway = await GatewayHost.OverAsync(backend.Address);
        var response = await RawClient.ExchangeAsync(
            gateway.Address, "POST / HTTP/1.1\r\nHost: shop.example\r\nTrailer: Sum\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nSum: 7\r\n\r\n");
        Assert.Equal(200, response.Status);
        var request = await backend.WhenRequestAsync();
        Assert.Equal(("abc", BodyEnd.Complete), (request.Text, request.End));
        Assert.True(request.Trailers["Sum"] is "7" or null); // HttpClient sends none, and RFC 9110 §6.5.1 allows it
    }
}
