using CsCheck;

using Microsoft.Extensions.Time.Testing;

namespace ProxyKit.Tests.Pools;

public class FadingTests
{
    private readonly FakeTimeProvider _time = new();

    [Fact]
    public void A_sum_fades_to_an_eth_in_its_time_and_to_nothing_in_the_end()
    {
        var sum = new DecayingSum(TimeSpan.FromSeconds(5));
        sum.Add(1, _time);
        Assert.Equal(1, sum.Value(_time), 1e-9);
        _time.Advance(TimeSpan.FromSeconds(5));
        Assert.Equal(Math.Exp(-1), sum.Value(_time), 1e-9);
        sum.Add(1, _time);
        Assert.Equal(1 + Math.Exp(-1), sum.Value(_time), 1e-9);
        _time.Advance(TimeSpan.FromMinutes(1));
        Assert.Equal(0, sum.Value(_time));
    }

    [Fact]
    public void No_addition_is_lost_between_threads()
    {
        var sum = new DecayingSum(TimeSpan.FromSeconds(5));
        Parallel.For(0, 4, new ParallelOptions { CancellationToken = Some.Token }, thread =>
        {
            for (var i = 0; i < 1_000; i++)
            {
                sum.Add(1, _time);
                Assert.InRange(sum.Value(_time), 1, 4_000);
            }
        });
        Assert.Equal(4_000, sum.Value(_time), 1e-6);
    }

    [Theory]
    [InlineData(OutcomeKind.NotConnected, null, 5)]
    [InlineData(OutcomeKind.TimedOut, null, 1)]
    [InlineData(OutcomeKind.Broken, null, 1)]
    [InlineData(OutcomeKind.Answered, 500, 1)]
    public void A_failure_weighs_as_a_request_that_fades(OutcomeKind kind, int? status, int timeConstant)
    {
        using var pool = new Pool("p", Some.Destinations("a"), time: _time);
        using (var lease = pool.Pick())
        {
            lease.Report(kind, status);
        }

        Assert.Equal(1, pool.Member("a").Load, 1e-9);
        _time.Advance(TimeSpan.FromSeconds(timeConstant));
        Assert.Equal(Math.Exp(-1), pool.Member("a").Load, 1e-9);
    }

    [Theory]
    [InlineData(OutcomeKind.Abandoned, null), InlineData(OutcomeKind.Answered, 404)]
    public void What_says_nothing_against_a_member_weighs_nothing(OutcomeKind kind, int? status)
    {
        using var pool = new Pool("p", Some.Destinations("a"), time: _time);
        using (var lease = pool.Pick())
        {
            lease.Report(kind, status);
        }

        Assert.Equal(0, pool.Member("a").Load);
    }

    // Found by the failure matrix: what had died and was back got nothing for many seconds, however well it was known to be.
    [Theory]
    [InlineData(Availability.Up), InlineData(Availability.Trial)]
    public void Failures_count_no_longer_once_it_is_found_well_again(Availability found)
    {
        using var pool = new Pool("p", Some.Destinations("a", "b"), time: _time);
        for (var i = 0; i < 6; i++)
        {
            using var lease = pool.PickOn("a");
            lease.Report(OutcomeKind.NotConnected);
        }

        pool.Believe("a", "probe", Availability.Down);
        Assert.Equal(6, pool.Member("a").Load, 1e-9);
        pool.Believe("a", "probe", found);
        Assert.Equal(0, pool.Member("a").Load);
    }

    [Fact]
    public void Failures_count_on_while_another_believes_it_down_and_after_a_pause_that_it_asked_for()
    {
        using var pool = new Pool("p", Some.Destinations("a", "b"), time: _time);
        using (var lease = pool.PickOn("a"))
        {
            lease.Report(OutcomeKind.Answered, 503, TimeSpan.FromSeconds(1));
        }

        pool.Believe("a", "probe", Availability.Down);
        pool.Believe("a", "outliers", Availability.Down);
        pool.Believe("a", "probe", Availability.Up);
        Assert.Equal(1, pool.Member("a").Load, 1e-9);
        pool.Believe("a", "outliers", Availability.Up);
        Assert.Equal(0, pool.Member("a").Load);
    }

    [Fact]
    public void Latency_believes_bad_news_at_once_and_forgets_it_slowly()
    {
        var latency = new PeakLatency(TimeSpan.FromSeconds(10), TimeSpan.FromMilliseconds(30), _time);
        Assert.Equal(0.03, latency.Seconds, 1e-9);
        latency.Observe(TimeSpan.FromSeconds(2));
        Assert.Equal(2, latency.Seconds, 1e-9);
        _time.Advance(TimeSpan.FromSeconds(10));
        Assert.Equal(2 * Math.Exp(-1), latency.Seconds, 1e-9);
        latency.Observe(TimeSpan.FromSeconds(1));
        Assert.Equal((2 * Math.Exp(-1)) + (1 - Math.Exp(-1)), latency.Seconds, 1e-9);
    }

    [Fact]
    public void Latency_never_fades_to_nothing()
    {
        var latency = new PeakLatency(TimeSpan.FromSeconds(10), TimeSpan.FromMilliseconds(30), _time);
        _time.Advance(TimeSpan.FromDays(30));
        Assert.InRange(latency.Seconds, 1e-9, 1e-3);
    }

    [Fact]
    public void Latency_lies_between_the_samples_and_a_failure_never_lowers_it() =>
        Gen.Select(Gen.Int[1, 5_000], Gen.Int[0, 20_000], Gen.Bool).Array[1, 30].Sample(samples =>
        {
            var time = new FakeTimeProvider();
            using var pool = new Pool("p", Some.Destinations("a"), time: time);
            var latency = pool.Member("a").TrackLatency(TimeSpan.FromSeconds(10), TimeSpan.FromSeconds(1));
            var highest = 1.0;
            foreach (var (milliseconds, pause, answers) in samples)
            {
                time.Advance(TimeSpan.FromMilliseconds(pause));
                using var lease = pool.Pick();
                time.Advance(TimeSpan.FromMilliseconds(milliseconds));
                var before = latency.Seconds;
                lease.Report(answers ? OutcomeKind.Answered : OutcomeKind.TimedOut, answers ? 200 : null);
                highest = Math.Max(highest, milliseconds / 1000.0);
                Assert.InRange(latency.Seconds, 0, highest + 1e-9);
                Assert.True(answers || latency.Seconds >= Math.Max(before, milliseconds / 1000.0) - 1e-9);
            }
        });
}
