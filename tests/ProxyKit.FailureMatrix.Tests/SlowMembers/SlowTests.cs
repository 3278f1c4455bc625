namespace ProxyKit.FailureMatrix.Tests;

/// <summary>One of three backends is 20 times slower than the others.</summary>
public sealed class SlowTests
{
    private static readonly TimeSpan Healthy = TimeSpan.FromMilliseconds(5);
    private static readonly TimeSpan Slow = Healthy * 20;

    public static TheoryData<Variation, string> Policies
    {
        get
        {
            var data = new TheoryData<Variation, string>();
            foreach (var variation in Variation.All.Select(row => row.Data).Where(variation => !variation.Sticky)) // who sticks to it stays
            {
                foreach (var policy in (string[])["power of two", "peak EWMA", "power of two, hedged"])
                {
                    data.Add(variation, policy);
                }
            }

            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Policies))]
    public Task Row_8_Load_moves_away_from_the_slow_one(Variation variation, string policy) => Row.OverThreeAsync(variation, pool => Compose(pool, policy), async (gateway, origins, ledger) =>
    {
        await Task.WhenAll(origins.Select(origin => origin.SlowDownAsync(origin.Name == "b" ? Slow : Healthy)));
        await using var load = gateway.Load(variation);
        await load.WhenAsync(Variation.Event); // the first requests of a process are slow wherever they go
        var (slow, all, from) = (ledger.To("b"), ledger.Deliveries, load.Elapsed);
        await load.WhenAsync(Variation.Length);
        var report = await load.StopAsync();
        var share = (double)(ledger.To("b") - slow) / (ledger.Deliveries - all);
        var measured = report.Between(from, TimeSpan.MaxValue);
        await Results.AddAsync(8, $"one 20 times slower, {policy}: share {share * 100:0.0} %", variation, measured, gateway, ledger);
        Row.LosesNothing(report, ledger);
        Assert.InRange(share, 0, policy == "peak EWMA" ? 0.1 : 0.2);
        if (policy.EndsWith("hedged", StringComparison.Ordinal))
        {
            Assert.InRange(ledger.Deliveries, report.Sent, (1.2 * report.Sent) + (10 * 10)); // the budget of retries and hedges, over 10 s
        }
    });

    private static void Compose(IPoolBuilder pool, string policy)
    {
        if (policy == "peak EWMA")
        {
            pool.WithPolicy(new PeakEwma());
        }
        else if (policy.EndsWith("hedged", StringComparison.Ordinal))
        {
            pool.WithHedging(new HedgeOptions { Delay = Healthy * 4 });
        }
    }
}
