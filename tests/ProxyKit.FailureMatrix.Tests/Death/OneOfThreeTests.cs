namespace ProxyKit.FailureMatrix.Tests;

/// <summary>One of three backends dies, or was never there.</summary>
public sealed class OneOfThreeTests
{
    public static TheoryData<Variation> Both => Variation.Both;

    public static TheoryData<Variation> All => Variation.All;

    [Theory]
    [MemberData(nameof(Both))]
    public Task Row_1_One_that_is_killed_fails_nothing_that_may_be_repeated_and_serves_again_once_it_is_back(Variation variation) => Row.OverThreeAsync(variation, null, async (gateway, origins, ledger) =>
    {
        await using var load = gateway.Load(variation);
        await load.WhenAsync(Variation.Event);
        var killed = load.Elapsed;
        await origins[1].KillAsync();
        var (dead, since) = (load.Elapsed, gateway.Attempts.Now);
        await load.WhenAsync(Variation.Event * 2);
        var attempts = gateway.Attempts.At("b", since).Count(outcome => outcome.Kind == OutcomeKind.NotConnected);
        await origins[1].ReviveAsync();
        var back = load.Elapsed;
        await load.WhenAsync(Variation.Length);
        if (!variation.Sticky)
        {
            await load.UntilAsync(report => report.Requests.Any(request => request.At > back && request.Server == "b"));
        }

        var report = await load.StopAsync();
        await Results.AddAsync(1, "one of three killed with kill -9", variation, report, gateway, ledger);
        Row.LosesNothingRepeatable(report, ledger);

        // Three refused connections eject it; those that were being made just then come on top, and each trial may cost one more.
        Assert.InRange(attempts, 0, 3 + 4 + (Variation.Event / Matrix.Ejection));

        // What failed besides was on it, on its way, when it died.
        Assert.All(report.Requests.Where(request => !request.IsServed), request => Assert.True(request.At <= dead && request.At + request.Elapsed >= killed, $"{request}"));
    });

    [Theory]
    [MemberData(nameof(All))]
    public async Task Row_2_One_that_refuses_from_the_start_fails_no_request_of_any_method(Variation variation)
    {
        using var closed = new ClosedPort();
        var ledger = new LoadLedger();
        await using var a = await Origin.StartAsync("a", ledger, variation.Http2);
        await using var c = await Origin.StartAsync("c", ledger, variation.Http2);
        await using var gateway = await Matrix.OverAsync(variation, [a.Destination, new Destination("closed", closed.Address), c.Destination], probes: true);
        await using var load = gateway.Load(variation);
        await load.WhenAsync(Variation.Length);
        var report = await load.StopAsync();
        await Results.AddAsync(2, "one of three refuses", variation, report, gateway, ledger);
        Row.LosesNothing(report, ledger);
        Assert.InRange(gateway.Attempts.CountAt("closed"), 1, 3 + 4 + (Variation.Length / Matrix.Ejection)); // three eject it, a few were under way, and each trial may cost one
        await gateway.IsIdleAsync();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Row_3_One_whose_connections_hang_delays_a_few_requests_by_the_connect_timeout_and_no_more(bool sticky)
    {
        Assert.SkipUnless(BlackHole.IsSupported, "Only Linux drops connections that find the queue full.");
        var (variation, ledger) = (new Variation(Sticky: sticky), new LoadLedger());
        await using var a = ScriptedBackend.Start(Answers.ToLoad("a", ledger));
        await using var b = ScriptedBackend.Start(Answers.ToLoad("b", ledger));
        await using var c = ScriptedBackend.Start(Answers.ToLoad("c", ledger));
        await using var gateway = await Matrix.OverAsync(variation, [a.Named("a"), b.Named("b"), c.Named("c")]);
        await using var load = gateway.Load(variation);
        await load.WhenAsync(Variation.Event);
        var began = load.Elapsed;
        await b.SwallowAsync();
        var gone = load.Elapsed;
        await load.WhenAsync(Variation.Length);
        var report = await load.StopAsync();
        var delayed = report.Requests.Count(request => request.At + request.Elapsed > began && request.Elapsed >= Matrix.ConnectTimeout);
        await Results.AddAsync(3, $"one of three a black hole, {delayed} delayed, at most {report.Between(began, TimeSpan.MaxValue).Latency(1).TotalMilliseconds:0} ms", variation, report, gateway, ledger);
        Row.LosesNothingRepeatable(report, ledger);
        Assert.All(report.Requests.Where(request => !request.IsServed), request => Assert.True(request.At <= gone && request.At + request.Elapsed >= began, $"{request}")); // lost with the connections

        // Twice the timeout leaves a second for a machine that is busy, and none for a second wait. Three timeouts eject it; who was waiting then waits as well.
        Assert.All(report.Requests, request => Assert.True(request.Elapsed < Matrix.ConnectTimeout * 2, $"{request}"));
        // Whom the load leads is told by its requests in flight, and goes elsewhere at once. Who sticks waits until the first have timed out and it is ejected.
        Assert.InRange(delayed, 0, sticky ? (int)(report.Requests.Count * (Matrix.ConnectTimeout / Variation.Length) / 3) + 20 : 20);
    }
}
