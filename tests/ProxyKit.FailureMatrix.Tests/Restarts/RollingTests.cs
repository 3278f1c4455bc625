namespace ProxyKit.FailureMatrix.Tests;

/// <summary>All three backends are restarted, one after the other.</summary>
public sealed class RollingTests
{
    public static TheoryData<Variation> Both => Variation.Both;

    [Theory]
    [MemberData(nameof(Both))]
    public Task Row_17_With_drain_no_request_fails_of_any_method(Variation variation) => Row.OverThreeAsync(
        variation,
        pool => pool.WithSlowStart(new SlowStartOptions { Window = TimeSpan.FromSeconds(1) }),
        async (gateway, origins, ledger) =>
        {
            await using var load = gateway.Load(variation);
            await load.WhenAsync(Variation.Event);
            foreach (var origin in origins)
            {
                Assert.Equal(0, await gateway.Pool.DrainAsync(origin.Name, TimeSpan.FromSeconds(20)));
                await origin.TerminateAsync();
                await origin.ReviveAsync();
                Assert.True(gateway.Pool.SetState(origin.Name, MemberState.Active));
                Assert.InRange(gateway.Pool.Snapshot.Find(origin.Name)!.Weight, 0.01, 0.5); // slow start
                await load.WhenAsync(load.Elapsed + (Variation.Length / 6));
            }

            var report = await load.StopAsync();
            await Results.AddAsync(17, "rolling restart with drain", variation, report, gateway, ledger);
            Row.LosesNothing(report, ledger);
        });

    [Theory]
    [MemberData(nameof(Both))]
    public Task Row_18_Without_a_word_to_the_gateway_nothing_fails_that_may_be_repeated(Variation variation) => Row.OverThreeAsync(variation, null, async (gateway, origins, ledger) =>
    {
        await using var load = gateway.Load(variation);
        await load.WhenAsync(Variation.Event);
        foreach (var origin in origins)
        {
            await origin.TerminateAsync(); // SIGTERM: it says GOAWAY or closes, finishes what it has and refuses the rest
            await origin.ReviveAsync();
            await load.WhenAsync(load.Elapsed + (Variation.Length / 6));
        }

        var report = await load.StopAsync();
        await Results.AddAsync(18, "rolling restart, not told", variation, report, gateway, ledger);
        Row.LosesNothingRepeatable(report, ledger);
        Assert.InRange(report.FailedPosts, 0, origins.Length * 2);
        Assert.Equal(0, report.Cut);
    });
}
