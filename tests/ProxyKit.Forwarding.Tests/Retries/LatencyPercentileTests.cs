using CsCheck;

namespace ProxyKit.Forwarding.Tests;

public sealed class LatencyPercentileTests
{
    [Fact]
    public void It_says_nothing_before_enough_was_seen()
    {
        var percentile = new LatencyPercentile(0.95);
        for (var i = 0; i < 19; i++)
        {
            percentile.Observe(TimeSpan.FromSeconds(1));
        }

        Assert.Null(percentile.Value);
        percentile.Observe(TimeSpan.FromSeconds(1));
        Assert.NotNull(percentile.Value);
    }

    [Fact]
    public void It_is_right_to_a_step_of_a_tenth() =>
        Gen.Double[0.002, 100].Array[21, 1500].Sample(latencies =>
        {
            var percentile = new LatencyPercentile(0.95);
            foreach (var latency in latencies)
            {
                percentile.Observe(TimeSpan.FromSeconds(latency));
            }

            var sorted = latencies.Order().ToArray();
            var exact = sorted[Math.Min(sorted.Length - 1, (int)(sorted.Length * 0.95))];
            var below = sorted[Math.Max(0, (int)(sorted.Length * 0.95) - 1)];
            Assert.InRange(percentile.Value!.Value.TotalSeconds, below * 0.999, exact * 1.101);
        });

    [Fact]
    public void Old_latencies_fade()
    {
        var percentile = new LatencyPercentile(0.95);
        foreach (var (count, seconds) in ((int, int)[])[(2_000, 10), (20_000, 1)])
        {
            for (var i = 0; i < count; i++)
            {
                percentile.Observe(TimeSpan.FromSeconds(seconds));
            }
        }

        Assert.InRange(percentile.Value!.Value.TotalSeconds, 1, 1.21);
    }
}
