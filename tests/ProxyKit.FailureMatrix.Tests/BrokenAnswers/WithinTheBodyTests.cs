using System.Globalization;
using System.Net;

using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Logging;

namespace ProxyKit.FailureMatrix.Tests;

/// <summary>A body breaks off once the client has its beginning: then the client must see it, and nobody else be asked.</summary>
public sealed class WithinTheBodyTests
{
    private const int Whole = 100_000;

    private static readonly LoadOptions Streams = new() { Rate = 150, Gets = 0, Posts = 0, StreamBytes = Whole };

    [Theory]
    [InlineData(false, false, false)]
    [InlineData(false, false, true)]
    [InlineData(false, true, false)]
    [InlineData(false, true, true)]
    [InlineData(true, false, false)]
    [InlineData(true, true, true)]
    public async Task Row_7_A_body_cut_by_FIN_or_RST_is_cut_for_the_client_and_not_asked_for_again(bool http2Client, bool chunked, bool reset)
    {
        var ledger = new LoadLedger();
        await using var bad = ScriptedBackend.Start(async exchange =>
        {
            var call = LoadCall.Of(exchange.Request.Target)!.Value;
            ledger.Deliver("bad", call.Kind, exchange.Request[LoadCall.IdField]!);
            await exchange.ReadBodyAsync();
            var half = new byte[Whole / 2];
            call.Fill(0, half);
            await exchange.WriteAsync(string.Create(
                CultureInfo.InvariantCulture,
                $"HTTP/1.1 200 OK\r\n{LoadCall.ServerField}: bad\r\n{(chunked ? $"Transfer-Encoding: chunked\r\n\r\n{half.Length:x}\r\n" : $"Content-Length: {Whole}\r\n\r\n")}"));
            await exchange.WriteAsync(half);
            await exchange.WriteAsync(chunked ? "\r\n" : "");
            if (reset)
            {
                exchange.Connection.Reset();
            }
            else
            {
                await exchange.Connection.CloseAsync();
            }
        });
        await using var good = ScriptedBackend.Start(Answers.ToLoad("good", ledger));
        await RunAsync(new Variation(), [bad.Named("bad"), good.Named("good")], ledger, http2Client, (chunked, reset) switch
        {
            (false, false) => "FIN within a body of known length",
            (false, true) => "RST within a body of known length",
            (true, false) => "FIN between chunks",
            (true, true) => "RST between chunks",
        });
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Row_7_A_body_whose_HTTP_2_connection_is_aborted_is_cut_for_the_client_too(bool http2Client)
    {
        var ledger = new LoadLedger();
        await using var bad = await StartHttp2Async(async context =>
        {
            var call = LoadCall.Of(context.Request.Path)!.Value;
            ledger.Deliver("bad", call.Kind, context.Request.Headers[LoadCall.IdField].ToString());
            var half = new byte[Whole / 2];
            call.Fill(0, half);
            context.Response.Headers[LoadCall.ServerField] = "bad";
            await context.Response.Body.WriteAsync(half);
            context.Features.Get<IConnectionLifetimeFeature>()!.Abort();
        });
        await using var good = await StartHttp2Async(async context =>
        {
            var call = LoadCall.Of(context.Request.Path)!.Value;
            ledger.Deliver("good", call.Kind, context.Request.Headers[LoadCall.IdField].ToString());
            var whole = new byte[Whole];
            call.Fill(0, whole);
            context.Response.Headers[LoadCall.ServerField] = "good";
            await context.Response.Body.WriteAsync(whole);
        });
        await RunAsync(new Variation(Http2: true), [new Destination("bad", new Uri(bad.Urls.Single())), new Destination("good", new Uri(good.Urls.Single()))], ledger, http2Client, "HTTP/2 connection aborted within bodies");
    }

    private static async Task RunAsync(Variation variation, Destination[] destinations, LoadLedger ledger, bool http2Client, string fault)
    {
        await using var gateway = await Matrix.OverAsync(variation, destinations, pool => pool.WithPolicy(new RoundRobin()).WithRetries(new RetryOptions { BudgetPerSecond = 1_000 }));
        await using var load = OpenLoad.Start(http2Client ? gateway.Http2Address : gateway.Address, Streams with { Http2 = http2Client });
        await load.WhenDueAsync(100);
        var report = await load.StopAsync();
        await Results.AddAsync(7, $"{fault}, client on {(http2Client ? "h2" : "h1")}", variation, report, gateway, ledger);
        Assert.True(report.Spoiled == 0, report.ToString());
        Assert.All(report.Requests, request => Assert.True(request.Server == "good" ? request.IsServed : !request.IsServed, $"{request}"));
        Assert.Equal(0, report.Count(LoadEnd.Refused)); // what had begun is cut; it is not answered in other words
        Assert.DoesNotContain(gateway.Attempts.At("good"), outcome => outcome.IsFailure);
        if (variation.Http2)
        {
            return; // the death of a connection takes others with it that had not begun, and those are asked for again
        }

        // The head itself may not reach a client on HTTP/1.1 whose connection is reset. Each counts against the backend, and five take it out.
        Assert.Equal(ledger.To("bad"), report.Cut + report.Count(LoadEnd.Unanswered));
        Assert.Equal(ledger.To("bad"), gateway.Attempts.At("bad").Count(outcome => outcome.Kind == OutcomeKind.BodyBroken));
        Assert.InRange(ledger.To("bad"), 5, 20);
        Assert.Equal(MemberStanding.Down, gateway.Changes.First().After);
        Assert.Equal(report.Sent, ledger.Deliveries); // nothing was asked for twice

        await gateway.IsIdleAsync();
    }

    private static async Task<WebApplication> StartHttp2Async(RequestDelegate answer)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0, listen => listen.Protocols = HttpProtocols.Http2));
        builder.WebHost.UseShutdownTimeout(TimeSpan.FromSeconds(1));
        var app = builder.Build();
        app.Map("/{**rest}", answer);
        await app.StartAsync();
        return app;
    }
}
