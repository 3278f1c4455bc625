namespace ProxyKit.Health.Tests.Outliers;

// What becomes of it when the pool changes under it.
public class OutlierReloadTests
{
    [Fact]
    public async Task Taken_out_of_the_settings_it_takes_back_what_it_believed()
    {
        using var watched = new Watched(Watched.Plain, "a", "b", "c", "d");
        watched.Refuse("a");
        watched.Refuse("b");
        watched.Pool.Update(null, PoolSettings.Default);
        await Eventually.InAsync(watched.Pool, _ => watched.Out == 0);
        watched.Refuse("a", 10);
        watched.Pass(60);
        Assert.Equal(0, watched.Out);

        watched.Pool.Update(null, PoolSettings.Default.With(Watched.Plain)); // and begins anew
        watched.Refuse("a");
        Assert.Equal("3 failed connections in a row; out for 5 s", watched.Reason("a"));
    }

    [Fact]
    public void Other_settings_are_taken_up_and_nothing_is_forgotten()
    {
        using var watched = new Watched(Watched.Plain, "a", "b");
        watched.Refuse("a");
        watched.Refuse("b", 2);
        watched.Pool.Update(null, PoolSettings.Default.With(Watched.Plain with { BaseEjection = Watched.Seconds(7), ConsecutiveConnectFailures = 4 }));
        Assert.Equal(MemberStanding.Down, watched.Standing("a"));
        watched.Pass(5);
        Assert.Equal(MemberStanding.Trial, watched.Standing("a"));
        watched.End("a", OutcomeKind.NotConnected);
        Assert.Equal("it failed the request on trial, no connection; out for 14 s", watched.Reason("a"));
        watched.Pass(14);
        watched.End("a");
        watched.Refuse("b", 1);
        Assert.Equal(0, watched.Out);
        watched.Refuse("b", 1);
        Assert.Equal(MemberStanding.Down, watched.Standing("b"));
    }

    [Fact]
    public void A_destination_that_goes_is_forgotten_and_one_that_stays_is_not()
    {
        using var watched = new Watched(Watched.Plain, "a", "b", "c", "d");
        watched.Refuse("a");
        watched.Refuse("b");
        watched.Pool.Update([Watched.Destination("b"), Watched.Destination("c"), Watched.Destination("d")]);
        Assert.Equal(MemberStanding.Down, watched.Standing("b"));
        watched.Pool.Update([.. "abcd".Select(name => Watched.Destination($"{name}"))]);
        Assert.Equal(MemberStanding.Active, watched.Standing("a"));
        watched.Refuse("a");
        Assert.Equal("3 failed connections in a row; out for 5 s", watched.Reason("a"));
    }

    [Fact]
    public void One_that_comes_back_while_its_last_requests_still_run_begins_anew()
    {
        using var watched = new Watched(Watched.Plain, "a", "b");
        using var running = watched.Pick("a");
        watched.Refuse("a");
        watched.Pool.Update([Watched.Destination("b")]);
        watched.Pool.Update([Watched.Destination("a"), Watched.Destination("b")]);
        watched.End("b");
        Assert.Equal(Place.In, watched.Tally("a").Place);
        watched.Refuse("a");
        Assert.Equal("3 failed connections in a row; out for 5 s", watched.Reason("a"));
    }

    [Fact]
    public async Task When_others_go_so_that_too_many_are_out_one_comes_back()
    {
        using var watched = new Watched(Watched.Plain, "a", "b", "c", "d");
        watched.Refuse("a");
        watched.Refuse("b");
        watched.Pool.Update([Watched.Destination("a"), Watched.Destination("b")]);
        await Eventually.InAsync(watched.Pool, _ => watched.Out == 1); // no request brings it up
        Assert.Equal(MemberStanding.Active, watched.Standing("a")); // the one whose time is over first
    }

    [Fact]
    public void When_the_pool_ends_its_timer_does_too()
    {
        var watched = new Watched(Watched.Plain, "a", "b");
        watched.Refuse("a");
        watched.Dispose();
        watched.Pass(60);
        Assert.Equal(MemberStanding.Down, watched.Standing("a"));
    }

    [Fact]
    public void A_pool_that_is_not_watched_costs_nothing_and_changes_nothing()
    {
        using var watched = new Watched((OutlierOptions?)null, "a", "b");
        watched.Refuse("a", 100);
        Assert.Equal(0, watched.Out);
    }

    // Also of the circuit breaker and of reports: what is measured is all that a host runs for a request that ends well.
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_request_that_ends_well_allocates_nothing(bool isWatched)
    {
        var settings = PoolSettings.Default.With(new StateHeaderOptions());
        settings = isWatched ? settings.With(new OutlierOptions { LatencyFactor = 3 }).With(new CircuitBreakerOptions()) : settings;
        using var pool = new Pool("p", [Watched.Destination("a"), Watched.Destination("b")], settings, [new OutlierDetection(), new CircuitBreaker(), new SelfReports()]);
        void Serve(Availability reported)
        {
            pool.TryPick(out var lease);
            lease.Report(OutcomeKind.Answered, 200, reported: reported);
            lease.Dispose();
        }

        foreach (var reported in (Availability[])[Availability.Up, Availability.Degraded])
        {
            for (var i = 0; i < 1000; i++)
            {
                Serve(reported);
            }

            var before = GC.GetAllocatedBytesForCurrentThread();
            for (var i = 0; i < 10_000; i++)
            {
                Serve(reported);
            }

            Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
        }
    }
}
