namespace ProxyKit.FailureMatrix.Tests;

/// <summary>All backends die, or all but one.</summary>
public sealed class AllAndMostTests
{
    public static TheoryData<Variation> All => Variation.All;

    [Theory]
    [MemberData(nameof(All))]
    public Task Row_13_With_all_three_dead_clients_are_told_and_the_attempts_stay_within_the_budget(Variation variation) => Row.OverThreeAsync(variation, null, async (gateway, origins, ledger) =>
    {
        await using var load = gateway.Load(variation);
        await load.WhenAsync(Variation.Event);
        await Task.WhenAll(origins.Select(origin => origin.KillAsync()));
        var (dead, since) = (load.Elapsed, gateway.Attempts.Now);
        await load.WhenAsync(Variation.Event * 2);
        await load.UntilAsync(_ => gateway.Pool.Snapshot.IsInPanic);
        var told = load.Elapsed; // from here on nobody is asked
        await load.WhenAsync(told + TimeSpan.FromMilliseconds(500));
        var attempts = origins.Sum(origin => gateway.Attempts.CountAt(origin.Name, since));
        var down = load.Elapsed - dead;
        await Task.WhenAll(origins.Select(origin => origin.ReviveAsync()));
        await load.UntilAsync(report => report.Requests.Count(request => request.IsServed && request.At > dead) > 50);
        var report = await load.StopAsync();
        await Results.AddAsync(13, "all three killed", variation, report, gateway, ledger);
        Assert.True(report is { Spoiled: 0, NotSent: 0 }, report.ToString());
        Assert.Empty(ledger.PostsDeliveredTwice);
        Assert.All(report.Requests.Where(request => request.End == LoadEnd.Refused), request => Assert.True(request.Status is 502 or 503, $"{request}"));
        Assert.DoesNotContain(report.Requests, request => request.At > dead && request.End is LoadEnd.Unanswered or LoadEnd.Cut);

        Assert.All(report.Requests.Where(request => request.At > told && request.At < dead + down), request => Assert.Equal((LoadEnd.Refused, 503), (request.End, request.Status)));

        // Attempts ≤ 1.2 × requests + 10/s, and what those before the fault had left in the budget of 10 s.
        var requests = report.Between(dead, dead + down).Sent;
        Assert.InRange(attempts, 1, (1.2 * requests) + (10 * down.TotalSeconds) + 100 + (0.2 * report.Between(TimeSpan.Zero, dead).Sent));
    });

    [Theory]
    [MemberData(nameof(All))]
    public Task Row_14_The_last_of_three_serves_all_that_may_be_repeated(Variation variation) => Row.OverThreeAsync(variation, null, async (gateway, origins, ledger) =>
    {
        await using var load = gateway.Load(variation);
        await load.WhenAsync(Variation.Event);
        await Task.WhenAll(origins[0].KillAsync(), origins[1].KillAsync());
        var dead = load.Elapsed;
        await load.WhenAsync(Variation.Length);
        var report = await load.StopAsync();
        await Results.AddAsync(14, "two of three killed", variation, report, gateway, ledger);
        Row.LosesNothingRepeatable(report, ledger);
        Assert.All(report.Requests.Where(request => !request.IsServed), request => Assert.True(request.At <= dead, $"{request}"));
    });
}
