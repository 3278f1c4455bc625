namespace ProxyKit.FailureMatrix.Tests;

/// <summary>A backend takes requests and breaks off, or stands still, before its answer's head has come: who knows what it did with them?</summary>
public sealed class BeforeTheBodyTests
{
    private static readonly Variation Plain = new();

    [Fact]
    public async Task Row_4_One_that_never_answers_costs_no_GET_and_a_POST_is_delivered_once_and_told_which_limit_was_reached()
    {
        var timeouts = new TimeoutOptions { FirstByte = TimeSpan.FromMilliseconds(300) };
        var report = await RunAsync(4, "accepts and never answers", Answers.Never(), pool => pool.WithTimeouts(timeouts), "", response =>
        {
            Assert.Equal(504, response.Status);
            Assert.Contains("FirstByte", response.Text, StringComparison.Ordinal);
        });
        Assert.All(report.Requests.Where(request => !request.IsServed), request => Assert.Equal((LoadKind.Post, 504), (request.Kind, request.Status)));
    }

    [Theory]
    [InlineData(5, "RST after the request, before the head", "")]
    [InlineData(6, "RST within the head", "HTTP/1.1 20")]
    public async Task Row_5_and_6_One_that_resets_costs_no_GET_and_doubles_no_POST_unless_its_key_allows_it(int row, string fault, string sent)
    {
        var report = await RunAsync(row, fault, Answers.Reset(sent), _ => { }, "Idempotency-Key: k\r\n", response => Assert.Equal((200, BodyEnd.Complete), (response.Status, response.End)));
        Assert.All(report.Requests.Where(request => !request.IsServed), request => Assert.Equal((LoadKind.Post, 502), (request.Kind, request.Status)));
    }

    private static async Task<LoadReport> RunAsync(int row, string fault, BackendAnswer answer, Action<IPoolBuilder> with, string postFields, Action<RawResponse> posted)
    {
        var ledger = new LoadLedger();
        await using var bad = ScriptedBackend.Start(async exchange =>
        {
            ledger.Deliver("bad", LoadCall.Of(exchange.Request.Target)!.Value.Kind, exchange.Request[LoadCall.IdField] ?? "");
            await answer(exchange);
        });
        await using var a = ScriptedBackend.Start(Answers.ToLoad("a", ledger));
        await using var c = ScriptedBackend.Start(Answers.ToLoad("c", ledger));
        await using var gateway = await Matrix.OverAsync(Plain, [a.Named("a"), bad.Named("bad"), c.Named("c")], with);
        await using var load = gateway.Load(Plain);
        await load.WhenAsync(Variation.Length);
        var report = await load.StopAsync();
        await Results.AddAsync(row, fault, Plain, report, gateway, ledger);
        Row.LosesNothingRepeatable(report, ledger);
        Assert.InRange(report.FailedPosts, 0, bad.Requests.Count);
        Assert.True(bad.Requests.Count > 0);
        await gateway.IsIdleAsync();

        // One POST that surely meets it first.
        await using var inTurn = await Matrix.OverAsync(Plain, [bad.Named("bad"), a.Named("a")], pool => with(pool.WithPolicy(new RoundRobin())));
        var before = bad.Requests.Count;
        posted(await RawClient.ExchangeAsync(inTurn.Address, Post(postFields)));
        Assert.Equal(before + 1, bad.Requests.Count);
        return report;
    }

    private static string Post(string fields)
    {
        var call = new LoadCall(LoadKind.Post, 0, 16);
        var body = new byte[call.Bytes];
        call.Fill(0, body);
        return $"POST {call.Target} HTTP/1.1\r\nHost: x\r\n{LoadCall.IdField}: one\r\n{fields}Content-Length: {body.Length}\r\n\r\n{System.Text.Encoding.Latin1.GetString(body)}";
    }
}
