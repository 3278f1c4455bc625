namespace ProxyKit.FailureMatrix.Tests;

/// <summary>A backend that can be reached answers with errors: always, now and then, or while it says that it is well.</summary>
public sealed class ErrorsTests
{
    public static TheoryData<Variation> All => Variation.All;

    [Theory]
    [MemberData(nameof(All))]
    public Task Row_9_One_that_always_answers_500_is_out_after_five(Variation variation) => Row.OverThreeAsync(variation, null, async (gateway, origins, ledger) =>
    {
        await using var load = gateway.Load(variation);
        await load.WhenAsync(Variation.Event);
        await origins[1].FailAsync(500);
        await load.UntilAsync(_ => gateway.Changes.Any(change => change is { Destination: "b", After: MemberStanding.Down }));
        var ejected = load.Elapsed;
        await load.WhenAsync(Variation.Length);
        var report = await load.StopAsync();
        await Results.AddAsync(9, "one answers 500 to all", variation, report, gateway, ledger);
        Assert.True(report is { Spoiled: 0, NotSent: 0, Cut: 0 }, report.ToString());
        Assert.All(report.Requests.Where(request => !request.IsServed), request => Assert.Equal(500, request.Status)); // the application's own word, which is not asked of another

        // Five, those under way just then, and one for each trial.
        Assert.InRange(report.Refusals.GetValueOrDefault(500), 5, 5 + 6 + gateway.UnderWayWhenDown("b") + ((load.Elapsed - ejected) / Matrix.Ejection) + 1);
        Assert.Equal("outliers", gateway.Changes.First(change => change is { Destination: "b", After: MemberStanding.Down }).Source);
    });

    [Theory]
    [MemberData(nameof(All))]
    public Task Row_9_With_500_among_what_is_retried_no_GET_sees_it(Variation variation) => Row.OverThreeAsync(
        variation,
        pool => pool.WithRetries(new RetryOptions { Statuses = [500, 502, 503, 504] }),
        async (gateway, origins, ledger) =>
        {
            await using var load = gateway.Load(variation);
            await load.WhenAsync(Variation.Event);
            await origins[1].FailAsync(500);
            await load.WhenAsync(Variation.Length);
            var report = await load.StopAsync();
            await Results.AddAsync(9, "one answers 500 to all, 500 is retried", variation, report, gateway, ledger);
            Row.LosesNothingRepeatable(report, ledger);
        });

    [Theory]
    [MemberData(nameof(All))]
    public Task Row_10_One_that_answers_500_to_two_in_five_is_out_within_two_intervals_and_no_other_is(Variation variation) => Row.OverThreeAsync(
        variation,
        pool => pool.WithPolicy(new RoundRobin()).WithOutlierDetection(new OutlierOptions { Interval = TimeSpan.FromSeconds(1), BaseEjection = TimeSpan.FromSeconds(30) }),
        async (gateway, origins, ledger) =>
        {
            await origins[1].FailAsync(500, 0.4);
            await using var load = gateway.Load(variation);
            await load.UntilAsync(_ => gateway.Changes.Any(change => change is { Destination: "b", After: MemberStanding.Down }));
            var answered = gateway.Attempts.CountAt("b");
            await load.WhenAsync(Variation.Length);
            var report = await load.StopAsync();
            await Results.AddAsync(10, "one answers 500 to 40 %", variation, report, gateway, ledger);

            // An even share of two intervals, and of the one that was under way: counted, as a busy machine has slow clocks.
            Assert.InRange(answered, 50, 300);
            Assert.DoesNotContain(gateway.Changes, change => change.Destination != "b");
        });

    [Fact]
    public Task Row_10_Power_of_two_leaves_one_that_fails_now_and_then_nearly_nothing_before_it_is_judged() => Row.OverThreeAsync(new Variation(), null, async (gateway, origins, ledger) =>
    {
        await origins[1].FailAsync(500, 0.4);
        await using var load = gateway.Load(new Variation());
        await load.WhenAsync(Variation.Length);
        var report = await load.StopAsync();
        await Results.AddAsync(10, "one answers 500 to 40 %, power of two", new Variation(), report, gateway, ledger);

        // An even share would fail 13 %. The fewer requests it gets, the longer it takes to have seen enough of them to take it out.
        Assert.InRange(report.Failed, 1, report.Sent / 20);
    });

    [Fact]
    public async Task Row_11_One_that_asks_to_be_left_alone_is_and_429_is_the_client_s_own_affair()
    {
        var (plain, ledger) = (new Variation(), new LoadLedger());
        await using var busy = ScriptedBackend.Start(Answers.Status(503, "busy", "Retry-After: 2"));
        await using var a = ScriptedBackend.Start(Answers.ToLoad("a", ledger));
        await using var gateway = await Matrix.OverAsync(plain, [busy.Named("busy"), a.Named("a")]);
        await using (var load = gateway.Load(plain, new LoadOptions { Posts = 0, Streams = 0 }))
        {
            await load.UntilAsync(_ => busy.Requests.Count > 0);
            var first = load.Elapsed;
            await load.WhenAsync(first + TimeSpan.FromSeconds(1.5));
            var most = 8 + gateway.UnderWayWhenDown("busy"); // those under way when it said so
            Assert.InRange(busy.Requests.Count, 1, most);
            var report = await load.StopAsync();
            await Results.AddAsync(11, "503 with Retry-After", plain, report, gateway, ledger);
            Row.LosesNothing(report, ledger);
            Assert.InRange(gateway.Attempts.Count - report.Sent, 1, most); // the budget is for others
        }

        await using var limiting = ScriptedBackend.Start(Answers.Status(429, "slow down", "Retry-After: 2"));
        await using var other = await Matrix.OverAsync(plain, [limiting.Named("limiting")]);
        for (var i = 0; i < 10; i++)
        {
            var response = await RawClient.ExchangeAsync(other.Address, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
            Assert.Equal((429, "2"), (response.Status, response["Retry-After"]));
        }

        Assert.Equal(10, other.Attempts.Count);
        Assert.Empty(other.Changes);
    }

    [Fact]
    public async Task Row_23_One_that_says_it_is_well_and_is_not_is_out_for_its_time_whatever_it_says()
    {
        var (plain, ledger) = (new Variation(), new LoadLedger());
        var well = Answers.Ok("well");
        await using var liar = ScriptedBackend.Start(Answers.At("/healthz", well, Answers.Status(500)));
        await using var a = ScriptedBackend.Start(Answers.At("/healthz", well, Answers.ToLoad("a", ledger)));
        await using var c = ScriptedBackend.Start(Answers.At("/healthz", well, Answers.ToLoad("c", ledger)));
        await using var gateway = await Matrix.OverAsync(
            plain,
            [a.Named("a"), liar.Named("liar"), c.Named("c")],
            pool => pool.WithOutlierDetection(new OutlierOptions { BaseEjection = TimeSpan.FromMinutes(1) }),
            probes: true);
        await using var load = gateway.Load(plain);
        await load.UntilAsync(_ => gateway.Changes.Any(change => change is { Destination: "liar", After: MemberStanding.Down }));
        var (ejected, asked, lied) = (load.Elapsed, Traffic(liar), liar.Requests.Count - Traffic(liar));

        // Long enough for it to lie a few times.
        await load.UntilAsync(_ => liar.Requests.Count - Traffic(liar) >= lied + 3);
        var report = await load.StopAsync();
        await Results.AddAsync(23, "healthy by its word, 500 in fact", plain, report, gateway, ledger);
        Assert.InRange(Traffic(liar) - asked, 0, 6); // what was under way
        Assert.Equal(MemberStanding.Down, gateway.Pool.Snapshot.Find("liar")!.Standing);
        Assert.DoesNotContain(report.Requests, request => request.At > ejected && !request.IsServed);

        static int Traffic(ScriptedBackend backend) => backend.Requests.Count(request => request.Target != "/healthz");
    }
}
