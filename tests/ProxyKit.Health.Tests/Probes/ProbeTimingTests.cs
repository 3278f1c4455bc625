using CsCheck;

namespace ProxyKit.Health.Tests.Probes;

public sealed class ProbeTimingTests
{
    private static readonly Gen<double> Share = Gen.Double[0, 0.999];

    [Fact]
    public void The_time_between_two_probes_stays_within_the_jitter()
    {
        Gen.Select(Gen.Double[0.01, 3600], Share, Gen.Double[0, 1], Share.Array[2, 30]).Sample((seconds, phase, jitter, chances) =>
        {
            var interval = TimeSpan.FromSeconds(seconds);
            var at = ProbeTiming.Next(TimeSpan.Zero, TimeSpan.Zero, interval, phase, jitter, chances[0]);
            foreach (var chance in chances[1..])
            {
                var next = ProbeTiming.Next(at, at + (interval / 10 < interval * (1 - jitter) ? interval / 10 : TimeSpan.Zero), interval, phase, jitter, chance);
                Assert.InRange((next - at) / interval, 1 - jitter - 1e-4, 1 + jitter + 1e-4);
                at = next;
            }
        });
    }

    [Fact]
    public void Without_jitter_it_comes_back_to_its_own_place_in_the_interval_wherever_it_was()
    {
        Gen.Select(Gen.Double[0.1, 100], Share, Gen.Double[0, 1000], Gen.Double[0, 20]).Sample((seconds, phase, started, took) =>
        {
            var interval = TimeSpan.FromSeconds(seconds);
            var (from, to) = (TimeSpan.FromSeconds(started), TimeSpan.FromSeconds(started + took));
            var next = ProbeTiming.Next(from, to, interval, phase, 0, 0.7);
            var place = (next / interval) - phase;
            Assert.InRange(Math.Abs(place - Math.Round(place)), 0, 1e-4);
            Assert.True(next >= to);
            Assert.True(took > seconds / 2 || (next - from) / interval is >= 0.4999 and <= 1.5001);
        });
    }

    [Fact]
    public void While_a_verdict_changes_the_next_is_an_interval_after_the_last_began_but_not_before_it_ended()
    {
        var second = TimeSpan.FromSeconds(1);
        Assert.Equal(11 * second, ProbeTiming.Soon(10 * second, 10.2 * second, second, 0, 0.3));
        Assert.Equal(12 * second, ProbeTiming.Soon(10 * second, 12 * second, second, 0.1, 0.3));
        Gen.Select(Share, Gen.Double[0, 1]).Sample((chance, jitter) =>
            Assert.InRange((ProbeTiming.Soon(10 * second, 10 * second, second, jitter, chance) - (10 * second)) / second, 1 - (jitter / 2) - 1e-6, 1 + (jitter / 2) + 1e-6));
    }

    [Fact]
    public void Those_due_within_a_tick_are_looked_after_together_and_never_early()
    {
        Gen.Select(Gen.Double[0, 1000], Gen.Double[0.01, 2]).Sample((seconds, interval) =>
        {
            var options = new ProbeOptions { Interval = TimeSpan.FromSeconds(interval), FastInterval = TimeSpan.FromSeconds(1), DownInterval = TimeSpan.FromSeconds(5) };
            var due = TimeSpan.FromSeconds(seconds);
            var most = TimeSpan.FromMilliseconds(Math.Clamp(Math.Min(interval, 1) * 50, 1, 50));
            Assert.InRange(ProbeTiming.Tick(due, options) - due, TimeSpan.Zero, most);
        });
        Assert.Equal(TimeSpan.FromSeconds(1.05), ProbeTiming.Tick(TimeSpan.FromSeconds(1.001), new ProbeOptions()));
        Assert.Equal(TimeSpan.FromSeconds(1.05), ProbeTiming.Tick(TimeSpan.FromSeconds(1.05), new ProbeOptions()));
    }
}
