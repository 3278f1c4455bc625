using CsCheck;

using Microsoft.AspNetCore.Http;

namespace ProxyKit.Forwarding.Tests;

public sealed class TrafficSplitTests
{
    [Fact]
    public void Each_pool_gets_its_share_and_one_without_weight_gets_nothing() =>
        Gen.Int[0, 9].Array[2, 5].Where(weights => weights.Any(weight => weight > 0)).Sample(
            weights =>
            {
                var split = new TrafficSplit(weights.Select((weight, i) => ($"{i}", weight)));
                var counts = new int[weights.Length];
                for (var i = 0UL; i < 4_000; i++)
                {
                    counts[int.Parse(split.Choose(new DefaultHttpContext(), i), System.Globalization.CultureInfo.InvariantCulture)]++;
                }

                for (var i = 0; i < weights.Length; i++)
                {
                    Assert.InRange(counts[i] / 4_000.0, ((double)weights[i] / weights.Sum()) - 0.05, ((double)weights[i] / weights.Sum()) + 0.05);
                    Assert.True(weights[i] > 0 || counts[i] == 0);
                }
            },
            iter: 50);

    [Fact]
    public void Shares_that_make_no_sense_are_all_told_at_once()
    {
        Assert.Equal(2, new TrafficSplit([("a", -1), ("b", 1)]).Faults().Count());
        Assert.Single(new TrafficSplit([("a", 0)]).Faults());
        Assert.Empty(new TrafficSplit([("a", 0), ("b", 1)]).Faults());
    }
}
