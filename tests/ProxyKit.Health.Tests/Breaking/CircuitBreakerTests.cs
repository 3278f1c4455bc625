using CsCheck;

using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Testing;
using Microsoft.Extensions.Time.Testing;

using ProxyKit.Health.Tests.Outliers;

namespace ProxyKit.Health.Tests.Breaking;

public sealed class CircuitBreakerTests : IDisposable
{
    private readonly FakeTimeProvider _time = new();
    private readonly FakeLogger<CircuitBreaker> _logger = new();
    private Pool? _pool;

    private string[] Logged => [.. _logger.Collector.GetSnapshot().Select(record => record.Message)];

    public void Dispose() => _pool?.Dispose();

    [Fact]
    public void Half_of_enough_requests_failing_opens_it_and_nothing_is_sent()
    {
        var pool = Start(new CircuitBreakerOptions());
        End(pool, 200, 26);
        End(pool, 500, 23);
        Assert.Equal(1, pool.Snapshot.Admission);
        End(pool, 502, 1); // the fiftieth, and yet less than half
        Assert.Equal(1, pool.Snapshot.Admission);
        End(pool, 502, 2);
        Assert.Equal(0, pool.Snapshot.Admission);
        for (var i = 0; i < 1000; i++)
        {
            Assert.Equal(PickStatus.CircuitOpen, pool.TryPick(out _));
        }

        Assert.Equal(["The circuit breaker of pool p has opened for 00:00:05: 50 % of 52 requests failed."], Logged);
        Assert.Equal(LogLevel.Warning, _logger.LatestRecord.Level);
    }

    [Fact]
    public void Below_the_volume_it_never_opens() =>
        Gen.Int[0, 2].Array[0, 49].Sample(kinds =>
        {
            using var pool = Make(new CircuitBreakerOptions { MinVolume = 50 });
            foreach (var kind in kinds)
            {
                End(pool, kind == 0 ? 200 : 500, 1);
            }

            Assert.Equal(1, pool.Snapshot.Admission);
        });

    [Theory]
    [InlineData(OutcomeKind.Abandoned, null, false)]
    [InlineData(OutcomeKind.Answered, 404, false)]
    [InlineData(OutcomeKind.Answered, 429, false)]
    [InlineData(OutcomeKind.Answered, 503, true)]
    public void Clients_that_leave_4xx_and_pushback_never_open_it(OutcomeKind kind, int? status, bool pushback)
    {
        var pool = Start(new CircuitBreakerOptions { MinVolume = 1, ConsecutiveFailures = 1 });
        for (var i = 0; i < 200; i++)
        {
            pool.TryPick(out var lease);
            lease.Report(kind, status, pushback ? TimeSpan.FromTicks(1) : null);
            lease.Dispose();
        }

        Assert.Equal(1, pool.Snapshot.Admission);
    }

    [Fact]
    public void What_ended_before_the_window_does_not_count()
    {
        var pool = Start(new CircuitBreakerOptions { MinVolume = 20 });
        End(pool, 500, 19);
        Pass(11);
        End(pool, 500, 10);
        Pass(5);
        End(pool, 500, 9);
        Assert.Equal(1, pool.Snapshot.Admission); // 19 of the last 10 s
        End(pool, 500, 1);
        Assert.Equal(0, pool.Snapshot.Admission);
    }

    [Fact]
    public void So_many_in_a_row_open_it_whatever_the_volume()
    {
        var pool = Start(new CircuitBreakerOptions { ConsecutiveFailures = 4 });
        End(pool, 500, 3);
        End(pool, 200, 1);
        End(pool, 500, 3);
        Assert.Equal(1, pool.Snapshot.Admission);
        End(pool, 500, 1);
        Assert.Equal(0, pool.Snapshot.Admission);
        Assert.Equal(["The circuit breaker of pool p has opened for 00:00:05: 4 requests in a row failed."], Logged);
    }

    [Fact]
    public void After_its_time_it_lets_ever_more_through_until_all_pass()
    {
        var pool = Start(new CircuitBreakerOptions());
        End(pool, 500, 50);
        Pass(4.9);
        Assert.Equal(0, pool.Snapshot.Admission);
        var shares = new List<double>();
        for (var i = 0; i < 110; i++)
        {
            Pass(0.1);
            shares.Add(pool.Snapshot.Admission);
        }

        Assert.Equal(shares.Order(), shares);
        Assert.Equal(0.05, shares[0]);
        Assert.Equal(0.5, shares[50], 2);
        Assert.InRange(shares[98], 0.9, 0.95);
        Assert.Equal(1, shares[^1]);
        Assert.Equal(
            [
                "The circuit breaker of pool p has opened for 00:00:05: 100 % of 50 requests failed.",
                "The circuit breaker of pool p lets requests through again, all of them after 00:00:10 if they end well.",
                "The circuit breaker of pool p has closed.",
            ],
            Logged);
    }

    [Fact]
    public void A_tenth_of_the_volume_opens_it_again_while_it_recovers()
    {
        var pool = Start(new CircuitBreakerOptions());
        End(pool, 500, 50);
        Pass(5 + 2);
        Assert.InRange(pool.Snapshot.Admission, 0.15, 0.25);
        End(pool, 500, 4);
        Assert.NotEqual(0, pool.Snapshot.Admission);
        End(pool, 500, 1);
        Assert.Equal(0, pool.Snapshot.Admission);
        Pass(4);
        Assert.Equal(0, pool.Snapshot.Admission);
        Pass(1.1);
        Assert.Equal(0.05, pool.Snapshot.Admission); // from the beginning
    }

    [Fact]
    public void What_was_on_its_way_when_it_opened_says_nothing_of_how_it_recovers()
    {
        var pool = Start(new CircuitBreakerOptions());
        var old = Enumerable.Range(0, 40).Select(_ => Pick(pool)).ToList();
        End(pool, 500, 50);
        old.Take(20).ToList().ForEach(Fail);
        Pass(5.1);
        old.Skip(20).ToList().ForEach(Fail);
        Assert.Equal(0.05, pool.Snapshot.Admission);
        var young = Enumerable.Range(0, 5).Select(_ => Pick(pool)).ToList();
        Pass(0.1);
        young.ForEach(Fail);
        Assert.Equal(0, pool.Snapshot.Admission);

        static void Fail(Lease lease)
        {
            lease.Report(OutcomeKind.TimedOut);
            lease.Dispose();
        }
    }

    [Fact]
    public void Once_closed_it_counts_from_the_beginning()
    {
        var pool = Start(new CircuitBreakerOptions());
        End(pool, 500, 50);
        Pass(5.1);
        End(pool, 200, 5);
        End(pool, 500, 4);
        Pass(10.5);
        Assert.Equal(1, pool.Snapshot.Admission);
        End(pool, 500, 49);
        Assert.Equal(1, pool.Snapshot.Admission);
    }

    [Fact]
    public async Task Taken_out_of_the_settings_it_closes()
    {
        var pool = Start(new CircuitBreakerOptions());
        End(pool, 500, 50);
        pool.Update(null, PoolSettings.Default);
        await Eventually.InAsync(pool, now => now.Admission == 1);
        Pass(60);
        Assert.Equal(1, pool.Snapshot.Admission);
        Assert.Equal("The circuit breaker of pool p has closed.", Logged[^1]);
    }

    [Fact]
    public void Other_settings_are_taken_up_while_it_is_open()
    {
        var pool = Start(new CircuitBreakerOptions());
        End(pool, 500, 50);
        pool.Update(null, PoolSettings.Default.With(new CircuitBreakerOptions { OpenTime = TimeSpan.FromSeconds(20) }));
        pool.Notes.Of<Circuit>().TakeUp(pool); // what else comes a moment later
        Pass(19.9);
        Assert.Equal(0, pool.Snapshot.Admission);
        Pass(0.2);
        Assert.Equal(0.05, pool.Snapshot.Admission);
    }

    // Whatever comes: open it admits nothing until its time is over, and while it recovers never less than before.
    [Fact]
    public void Open_admits_nothing_and_the_ramp_never_falls_but_to_nothing() =>
        Gen.Select(Gen.Int[0, 3], Gen.Int[1, 30]).Array[1, 120].Sample(
            steps =>
            {
                using var pool = Make(new CircuitBreakerOptions { MinVolume = 10 });
                var (before, opened) = (1.0, DateTimeOffset.MinValue);
                foreach (var (kind, times) in steps)
                {
                    for (var i = 0; i < times; i++)
                    {
                        if (kind == 3)
                        {
                            _time.Advance(TimeSpan.FromMilliseconds(100));
                        }
                        else if (pool.TryPick(out var lease) == PickStatus.Picked)
                        {
                            lease.Report(OutcomeKind.Answered, kind == 0 ? 500 : 200);
                            lease.Dispose();
                        }

                        var now = pool.Snapshot.Admission;
                        if (now == 0 && before > 0)
                        {
                            opened = _time.GetUtcNow();
                        }

                        Assert.True(now == 0 || now >= before, $"{before} fell to {now}");
                        Assert.True(now == 0 || before > 0 || _time.GetUtcNow() - opened >= TimeSpan.FromSeconds(5));
                        before = now;
                    }
                }
            },
            iter: 500,
            threads: 1);

    [Fact]
    public void One_dead_member_is_taken_out_before_the_breaker_notices()
    {
        var settings = PoolSettings.Default.With(new RoundRobin()).With(new OutlierOptions()).With(new CircuitBreakerOptions { MinVolume = 10 });
        using var pool = new Pool("p", "abc".Select(name => Watched.Destination($"{name}")), settings, [new OutlierDetection(), new CircuitBreaker(_logger)], _time, seed: 1);
        for (var i = 0; i < 1000; i++)
        {
            var lease = Pick(pool);
            var isDead = lease.Member.Destination.Name == "a";
            lease.Report(isDead ? OutcomeKind.NotConnected : OutcomeKind.Answered, isDead ? null : 200);
            lease.Dispose();
            _time.Advance(TimeSpan.FromMilliseconds(3));
        }

        Assert.Equal(MemberStanding.Down, pool.Snapshot.Find("a")!.Standing);
        Assert.Equal((1.0, 0), (pool.Snapshot.Admission, Logged.Length));
    }

    [Fact]
    public void Faults_are_told_all_at_once()
    {
        Assert.Empty(new CircuitBreakerOptions().Faults());
        var options = new CircuitBreakerOptions { FailureShare = 0, Window = TimeSpan.Zero, MinVolume = 0, ConsecutiveFailures = -1, OpenTime = TimeSpan.Zero, RecoverTime = TimeSpan.FromDays(1) };
        Assert.Equal(typeof(CircuitBreakerOptions).GetProperties().Select(property => property.Name).Order(), options.Faults().Select(fault => fault.Split(' ')[0]).Order());
    }

    private Pool Start(CircuitBreakerOptions options) => _pool = Make(options);

    private Pool Make(CircuitBreakerOptions options) =>
        new("p", [Watched.Destination("a"), Watched.Destination("b")], PoolSettings.Default.With(options), [new CircuitBreaker(_logger)], _time, seed: 1);

    // Requests that are refused are sent again, so that as many end as are wanted.
    private static void End(Pool pool, int status, int times)
    {
        for (var i = 0; i < times; i++)
        {
            var lease = Pick(pool);
            lease.Report(OutcomeKind.Answered, status);
            lease.Dispose();
        }
    }

    private static Lease Pick(Pool pool)
    {
        for (var i = 0; i < 1000; i++)
        {
            if (pool.TryPick(out var lease) == PickStatus.Picked)
            {
                return lease;
            }
        }

        throw new InvalidOperationException("None of a thousand was let through.");
    }

    private void Pass(double seconds)
    {
        for (var left = TimeSpan.FromSeconds(seconds); left > TimeSpan.Zero; left -= TimeSpan.FromMilliseconds(100))
        {
            _time.Advance(left < TimeSpan.FromMilliseconds(100) ? left : TimeSpan.FromMilliseconds(100));
        }
    }
}
