using System.Net;
using System.Text;

using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace ProxyKit.Gateway.Tests;

public sealed class Http2FrontTests
{
    [Fact]
    public async Task Requests_with_prior_knowledge_reach_a_backend_that_speaks_HTTP_1_1()
    {
        await using var backend = ScriptedBackend.Start(Answers.Ok("ok"));
        await using var gateway = await GatewayHost.OverAsync(backend.Address);
        using var client = gateway.NewHttp2Client();
        using var response = await client.PostAsync(new Uri("/a?b", UriKind.Relative), new StringContent("abc"), TestContext.Current.CancellationToken);
        Assert.Equal((HttpVersion.Version20, "ok"), (response.Version, await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken)));
        var request = Assert.Single(backend.Requests);
        Assert.Equal(("POST", "/a?b", "abc"), (request.Method, request.Target, request.Text));
        Assert.Equal(gateway.Http2Address.Authority, request["Host"]);
        Assert.DoesNotContain(request.Fields, field => field.Key.StartsWith(':'));
        Wire.HoldsNothingElse(backend);
    }

    [Fact]
    public async Task Requests_over_TLS_negotiate_HTTP_2()
    {
        await using var backend = ScriptedBackend.Start(Answers.Ok("ok"));
        await using var gateway = await GatewayHost.OverAsync(backend.Address);
        using var client = gateway.NewTlsClient();
        using var message = new HttpRequestMessage(HttpMethod.Get, gateway.TlsAddress) { Version = HttpVersion.Version20, VersionPolicy = HttpVersionPolicy.RequestVersionExact };
        using var response = await client.SendAsync(message, TestContext.Current.CancellationToken);
        Assert.Equal((HttpVersion.Version20, "ok"), (response.Version, await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken)));
    }

    [Fact]
    public async Task A_body_of_unknown_length_is_sent_in_chunks_and_is_whole()
    {
        await using var backend = ScriptedBackend.Start(Answers.Ok("ok"));
        await using var gateway = await GatewayHost.OverAsync(backend.Address);
        using var client = gateway.NewHttp2Client();
        using var content = new StreamContent(new Unseekable(Encoding.ASCII.GetBytes(new string('a', 200_000))));
        using var response = await client.PutAsync(new Uri("/", UriKind.Relative), content, TestContext.Current.CancellationToken);
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        var request = Assert.Single(backend.Requests);
        Assert.Equal(("chunked", null, 200_000), (request["Transfer-Encoding"], request["Content-Length"], request.Body.Length));
    }

    [Fact]
    public async Task A_GET_without_body_has_no_framing_at_the_backend()
    {
        await using var backend = ScriptedBackend.Start(Answers.Ok("ok"));
        await using var gateway = await GatewayHost.OverAsync(backend.Address);
        using var client = gateway.NewHttp2Client();
        await client.GetStringAsync(new Uri("/", UriKind.Relative), TestContext.Current.CancellationToken);
        var request = Assert.Single(backend.Requests);
        Assert.Equal((null, null), (request["Transfer-Encoding"], request["Content-Length"]));
    }

    [Fact]
    public async Task Many_streams_of_one_connection_each_get_their_own_answer()
    {
        await using var backend = ScriptedBackend.Start(async exchange => await Answers.Ok(exchange.Request.Target)(exchange));
        await using var gateway = await GatewayHost.OverAsync(backend.Address);
        using var client = gateway.NewHttp2Client();
        await Parallel.ForEachAsync(Enumerable.Range(0, 300), new ParallelOptions { MaxDegreeOfParallelism = 50 }, async (i, cancellationToken) =>
            Assert.Equal($"/{i}", await client.GetStringAsync(new Uri($"/{i}", UriKind.Relative), cancellationToken)));
        await gateway.WhenIdleAsync();
    }

    [Fact]
    public async Task Cookies_that_came_apart_arrive_as_one_field()
    {
        // RFC 9113 §8.2.3.
        await using var backend = ScriptedBackend.Start(Answers.Ok("ok"));
        await using var gateway = await GatewayHost.OverAsync(backend.Address);
        using var client = gateway.NewHttp2Client();
        using var message = new HttpRequestMessage(HttpMethod.Get, "/") { Version = HttpVersion.Version20, VersionPolicy = HttpVersionPolicy.RequestVersionExact };
        message.Headers.TryAddWithoutValidation("Cookie", ["a=1", "b=2"]);
        using var response = await client.SendAsync(message, TestContext.Current.CancellationToken);
        Assert.Equal("a=1; b=2", Assert.Single(Assert.Single(backend.Requests).Fields.All("Cookie")));
    }

    [Theory]
    [InlineData("/a/../b")]
    [InlineData("/a/%2e%2e/b")]
    [InlineData("/a%2fb")]
    [InlineData("/a%5cb")]
    [InlineData("/a%00b")]
    public async Task A_target_that_could_be_read_in_two_ways_is_refused_here_as_well(string target)
    {
        await using var backend = ScriptedBackend.Start(Answers.Ok("ok"));
        await using var gateway = await GatewayHost.OverAsync(backend.Address);
        using var client = gateway.NewHttp2Client();
        var address = new Uri(gateway.Http2Address.GetLeftPart(UriPartial.Authority) + target, new UriCreationOptions { DangerousDisablePathAndQueryCanonicalization = true });
        try
        {
            using var response = await client.GetAsync(address, TestContext.Current.CancellationToken);
            Assert.InRange((int)response.StatusCode, 400, 404);
        }
        catch (HttpRequestException fault)
        {
            Assert.Equal(HttpRequestError.HttpProtocolError, fault.HttpRequestError); // the server may reset such a stream
        }

        Assert.Empty(backend.Requests);
        Assert.Equal("ok", await client.GetStringAsync(new Uri("/well", UriKind.Relative), TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task A_backend_may_speak_HTTP_2_to_a_client_that_does_not()
    {
        await using var backend = await KestrelBackend.StartAsync(
            app => app.MapPost("/{**rest}", async (HttpContext context) =>
            {
                using var reader = new StreamReader(context.Request.Body);
                return $"{context.Request.Protocol} {await reader.ReadToEndAsync(context.RequestAborted)}";
            }),
            HttpProtocols.Http2);
        await using var gateway = await GatewayHost.OverAsync(pool => pool.WithUpstream(new UpstreamOptions { Protocol = UpstreamProtocol.Http2 }), backend.Address);
        Assert.Equal("HTTP/2 abc", (await RawClient.ExchangeAsync(gateway.Address, Wire.Post("abc"))).Text);
    }

    [Fact]
    public async Task A_backend_over_HTTP_2_that_resets_a_stream_midway_cuts_the_answer()
    {
        await using var backend = await KestrelBackend.StartAsync(
            app => app.MapGet("/{**rest}", async (HttpContext context) =>
            {
                context.Response.ContentLength = 10;
                await context.Response.WriteAsync("abc");
                await context.Response.Body.FlushAsync();
                context.Abort();
            }),
            HttpProtocols.Http2);
        await using var gateway = await GatewayHost.OverAsync(pool => pool.WithUpstream(new UpstreamOptions { Protocol = UpstreamProtocol.Http2 }), backend.Address);
        var response = await RawClient.ExchangeAsync(gateway.Address, Wire.Get());
        Assert.True(response.End != BodyEnd.Complete || response.Status == 502, response.ToString()); // its head may be lost with the reset
        await gateway.WhenIdleAsync();
    }

    private sealed class Unseekable(byte[] bytes) : MemoryStream(bytes)
    {
        public override bool CanSeek => false;
    }
}
