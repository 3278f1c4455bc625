using CsCheck;

namespace ProxyKit.Health.Tests.Outliers;

// How many may be out, for how long, and how they come back.
public class EjectionTests
{
    [Theory]
    [InlineData(0, 0)]
    [InlineData(1, 0)] // never all
    [InlineData(2, 1)]
    [InlineData(3, 1)]
    [InlineData(4, 2)]
    [InlineData(9, 4)]
    [InlineData(10, 5)]
    public void Half_may_be_out_at_least_one_and_never_all(int active, int room) => Assert.Equal(room, OutlierRules.Room(active, 0.5));

    [Fact]
    public void A_small_share_lets_one_out_and_a_whole_one_all_but_one()
    {
        Assert.Equal(1, OutlierRules.Room(5, 0.1));
        Assert.Equal(3, OutlierRules.Room(10, 0.3)); // 0.3 × 10 is a little less than 3 in binary
        Assert.Equal(9, OutlierRules.Room(10, 1));
    }

    [Fact]
    public void Each_time_is_at_least_as_long_as_the_one_before_and_none_longer_than_the_most() =>
        Gen.Select(Gen.Int[10, 60_000], Gen.Int[1, 100], Gen.Double[0, 1], Gen.Double[0, 0.999].Array[20]).Sample((milliseconds, factor, jitter, chances) =>
        {
            var options = new OutlierOptions { BaseEjection = TimeSpan.FromMilliseconds(milliseconds), MaxEjection = TimeSpan.FromMilliseconds((double)milliseconds * factor), Jitter = jitter };
            var times = chances.Select((chance, i) => OutlierRules.EjectionTime(options, i + 1, chance)).ToList();
            Assert.Equal(times.Order(), times);
            Assert.All(times, time => Assert.InRange(time, options.BaseEjection, options.MaxEjection));
        });

    [Fact]
    public void By_default_it_doubles_from_5_seconds_to_5_minutes()
    {
        var options = new OutlierOptions { Jitter = 0 };
        Assert.Equal([5, 10, 20, 40, 80, 160, 300, 300], Enumerable.Range(1, 8).Select(n => OutlierRules.EjectionTime(options, n, 0.5).TotalSeconds));
        Assert.Equal(300, OutlierRules.EjectionTime(options, int.MaxValue, 0).TotalSeconds);
        Assert.Equal(6.25, OutlierRules.EjectionTime(new OutlierOptions(), 1, 0.5).TotalSeconds); // and up to half of it more
    }

    [Fact]
    public void At_the_end_it_is_on_trial_with_one_request_at_a_time_and_one_that_ends_well_brings_it_back()
    {
        using var watched = new Watched(PoolSettings.Default.With(Watched.Plain).With(new SlowStartOptions()), "a", "b");
        watched.Refuse("a");
        watched.Pass(4);
        Assert.Equal(MemberStanding.Down, watched.Standing("a"));
        watched.Pass(1);
        Assert.Equal(MemberStanding.Trial, watched.Standing("a"));

        var leases = new List<Lease>();
        for (var i = 0; i < 200; i++)
        {
            Assert.Equal(PickStatus.Picked, watched.Pool.TryPick(out var lease));
            leases.Add(lease);
            Assert.InRange(watched.Member("a").InFlight, 0, 1);
        }

        var trial = leases.Single(lease => lease.Member.Destination.Name == "a");
        trial.Report(OutcomeKind.Answered, 200);
        Assert.Equal(MemberStanding.Active, watched.Standing("a"));
        Assert.InRange(watched.Member("a").Weight, 0.05, 0.2); // slow start
        leases.ForEach(lease => lease.Dispose());
    }

    [Fact]
    public async Task Threads_that_pick_together_send_one_request_at_a_time_to_one_on_trial()
    {
        using var watched = new Watched(Watched.Plain, "a", "b");
        watched.Refuse("a");
        watched.Pass(5);
        var (now, most, picked) = (0, 0, 0);
        await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => Task.Run(
            () =>
            {
                for (var i = 0; i < 20_000; i++)
                {
                    if (watched.Pool.TryPick(out var lease, preferred: i % 2 == 0 ? watched.Member("a") : null) == PickStatus.Picked)
                    {
                        if (lease.Member.Destination.Name == "a")
                        {
                            var held = Interlocked.Increment(ref now);
                            most = Math.Max(most, held);
                            picked++;
                            Interlocked.Decrement(ref now);
                        }

                        lease.Dispose(); // abandoned, so that it stays on trial
                    }
                }
            },
            TestContext.Current.CancellationToken)));
        Assert.Equal((1, MemberStanding.Trial), (most, watched.Standing("a")));
        Assert.True(picked > 100);
    }

    [Theory]
    [InlineData(OutcomeKind.NotConnected, null, "it failed the request on trial, no connection; out for 10 s")]
    [InlineData(OutcomeKind.TimedOut, null, "it failed the request on trial, no answer in time; out for 10 s")]
    [InlineData(OutcomeKind.Broken, null, "it failed the request on trial, the connection broke; out for 10 s")]
    [InlineData(OutcomeKind.Answered, 500, "it failed the request on trial, status 500; out for 10 s")]
    public void A_trial_that_fails_takes_it_out_for_longer(OutcomeKind kind, int? status, string reason)
    {
        using var watched = new Watched(Watched.Plain, "a", "b");
        watched.Refuse("a");
        watched.Pass(5);
        watched.End("a", kind, status);
        Assert.Equal(MemberStanding.Down, watched.Standing("a"));
        Assert.Equal(reason, watched.Reason("a"));
        watched.Pass(9);
        Assert.Equal(MemberStanding.Down, watched.Standing("a"));
        watched.Pass(1);
        Assert.Equal(MemberStanding.Trial, watched.Standing("a"));
    }

    [Theory]
    [InlineData(OutcomeKind.Abandoned, null, null)]
    [InlineData(OutcomeKind.Answered, 503, 1.0)]
    public void A_trial_that_says_nothing_leaves_it_on_trial(OutcomeKind kind, int? status, double? retryAfter)
    {
        using var watched = new Watched(Watched.Plain, "a", "b");
        watched.Refuse("a");
        watched.Pass(5);
        watched.End("a", kind, status, retryAfter is { } seconds ? Watched.Seconds(seconds) : null);
        watched.Pass(2);
        Assert.Equal(MemberStanding.Trial, watched.Standing("a"));
    }

    [Fact]
    public void A_trial_for_which_nobody_asks_ends_after_the_longest_time_of_all()
    {
        using var watched = new Watched(Watched.Plain with { MaxEjection = Watched.Seconds(60) }, "a", "b");
        watched.Refuse("a");
        watched.Pass(5 + 59);
        Assert.Equal(MemberStanding.Trial, watched.Standing("a"));
        watched.Pass(1);
        Assert.Equal(MemberStanding.Active, watched.Standing("a"));
    }

    [Fact]
    public void Each_interval_without_fault_takes_one_time_back()
    {
        using var watched = new Watched(Watched.Plain, "a", "b");
        foreach (var seconds in (double[])[5, 10, 20])
        {
            watched.Refuse("a");
            watched.Pass(seconds);
            watched.End("a");
            Assert.Equal(MemberStanding.Active, watched.Standing("a"));
        }

        Assert.Equal(3, watched.Tally("a").Ejections);
        watched.Pass(20 + 5); // whole intervals only
        Assert.Equal(1, watched.Tally("a").Ejections);
        watched.Refuse("a");
        Assert.Equal("3 failed connections in a row; out for 10 s", watched.Reason("a"));
        watched.Pass(10);
        watched.End("a");
        watched.Pass(100);
        Assert.Equal(0, watched.Tally("a").Ejections);
    }

    [Fact]
    public void While_it_is_out_nothing_is_taken_back()
    {
        using var watched = new Watched(Watched.Plain with { BaseEjection = Watched.Seconds(100) }, "a", "b");
        watched.Refuse("a");
        watched.Pass(100);
        Assert.Equal(1, watched.Tally("a").Ejections);
    }

    [Fact]
    public void The_last_that_others_believe_in_stays_in()
    {
        using var watched = new Watched(Watched.Plain, "a", "b", "c", "d");
        watched.Pool.SetAvailable("b", "probe", false);
        watched.Pool.SetAvailable("c", "probe", false);
        watched.Pool.SetAvailable("d", "probe", false);
        watched.Refuse("a", 10);
        Assert.Equal(0, watched.Out);
        watched.Pool.SetAvailable("d", "probe", true);
        watched.Refuse("a", 1);
        Assert.Equal(1, watched.Out);
    }

    [Fact]
    public void A_member_that_takes_no_traffic_makes_no_room()
    {
        using var watched = new Watched(Watched.Plain, "a", "b", "c", "d");
        watched.Pool.SetState("d", MemberState.Off);
        watched.Refuse("a");
        watched.Refuse("b", 10);
        Assert.Equal(1, watched.Out); // half of three
        watched.Pool.SetState("d", MemberState.Active);
        watched.Refuse("b", 1);
        Assert.Equal(2, watched.Out);
        watched.Pool.SetState("d", MemberState.Off);
        watched.End("c");
        Assert.Equal(1, watched.Out); // too many are out now
    }

    [Fact]
    public void A_probe_that_succeeds_does_not_bring_it_back()
    {
        using var watched = new Watched(Watched.Plain, "a", "b");
        watched.Refuse("a");
        watched.Pool.SetAvailable("a", "probe", false);
        watched.Pool.SetAvailable("a", "probe", true);
        OutlierDetection.ProbeSucceeded(watched.Pool, watched.Member("a"));
        watched.End("b");
        Assert.Equal(MemberStanding.Down, watched.Standing("a"));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Where_it_is_asked_for_a_probe_that_succeeds_does(bool failedBefore)
    {
        using var watched = new Watched(Watched.Plain with { ProbeUnejects = true }, "a", "b");
        watched.Refuse("a");
        if (failedBefore)
        {
            watched.Pool.SetAvailable("a", "probe", false);
            await Eventually.TrueAsync(() => watched.Tally("a").IsDoubtedByProbe); // no request brings it up
            watched.Pool.SetAvailable("a", "probe", true);
        }
        else
        {
            OutlierDetection.ProbeSucceeded(watched.Pool, watched.Member("a"));
        }

        await Eventually.InAsync(watched.Pool, pool => pool.Find("a")!.Standing == MemberStanding.Active);
    }
}
