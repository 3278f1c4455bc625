namespace ProxyKit.Tests.Pools;

public class PoolTests
{
    [Fact]
    public void All_faults_of_all_destinations_are_told_at_once_and_nothing_has_changed()
    {
        using var pool = new Pool("p", Some.Destinations("a"));
        var fault = Assert.Throws<ArgumentException>(() => pool.Update([Some.Destination("b", weight: 257), Some.Destination("b"), new Destination(" ", new Uri("http://c?q"))]));
        Assert.Contains("Weight of 'b' is 257; it must be 0 to 256.", fault.Message, StringComparison.Ordinal);
        Assert.Contains("The name 'b' stands 2 times", fault.Message, StringComparison.Ordinal);
        Assert.Contains("Name is empty", fault.Message, StringComparison.Ordinal);
        Assert.Contains("has user, query or fragment", fault.Message, StringComparison.Ordinal);
        Assert.Equal(["a"], pool.Snapshot.Members.Select(member => member.Destination.Name));
    }

    [Fact]
    public void A_policy_that_cannot_be_prepared_leaves_the_pool_as_it_was()
    {
        using var pool = new Pool("p", Some.Destinations("a"), PoolSettings.Default.With(new AtMostOne()));
        var before = pool.Snapshot;
        Assert.Throws<NotSupportedException>(() => pool.Update(Some.Destinations("a", "b")));
        Assert.Same(before, pool.Snapshot);
        pool.SetAvailable("a", "probe", false);
        Assert.Single(pool.Snapshot.Members);
        pool.Pick().Dispose();
    }

    [Fact]
    public void Live_figures_stay_through_another_weight_order_and_policy()
    {
        using var pool = new Pool("p", Some.Destinations("a", "b"));
        using var lease = pool.PickOn("a");
        pool.Member("a").TrackLatency(TimeSpan.FromSeconds(10), TimeSpan.FromMilliseconds(30));
        lease.Report(OutcomeKind.Broken);
        var before = pool.Member("a");

        pool.Update([Some.Destination("b"), Some.Destination("a", weight: 7)], PoolSettings.Default.With(new RoundRobin()));

        var after = pool.Member("a");
        Assert.NotSame(before, after);
        Assert.True(before.IsSame(after));
        Assert.Equal((1, 7.0), (after.InFlight, after.Weight));
        Assert.Same(before.Latency, after.Latency);
        Assert.InRange(after.Load, 1.5, 2);
    }

    [Fact]
    public void The_same_name_at_another_address_is_another_server()
    {
        using var pool = new Pool("p", Some.Destinations("a", "b"));
        using var lease = pool.PickOn("a");
        pool.SetAvailable("a", "probe", false);
        var before = pool.Member("a");

        pool.Update([Some.Destination("a", port: 81), Some.Destination("b")]);

        Assert.False(before.IsSame(pool.Member("a")));
        Assert.Equal((0, false), (pool.Member("a").InFlight, pool.Member("a").IsDown));
    }

    [Fact]
    public void A_destination_that_comes_back_while_its_requests_run_keeps_counting_them()
    {
        using var pool = new Pool("p", Some.Destinations("a"), Some.Limit(1));
        using (pool.Pick())
        {
            pool.Update([]);
            Assert.Equal(PickStatus.NoneLeft, pool.TryPick(out _));
            pool.Update(Some.Destinations("a"));
            Assert.Equal(PickStatus.Full, pool.TryPick(out _));
        }

        pool.Pick().Dispose();
    }

    [Fact]
    public void A_weight_of_nothing_serves_the_sessions_that_stick_to_it_and_nobody_else()
    {
        using var pool = new Pool("p", [Some.Destination("a", weight: 0), Some.Destination("b")]);
        Assert.All(Enumerable.Range(0, 20), _ => Assert.Equal("b", pool.Pick().Member.Destination.Name));
        pool.PickOn("a").Dispose();
        Assert.Equal("weightless", pool.Explain().Candidates[0].Standing);
    }

    [Fact]
    public void A_sticky_pick_takes_no_turn()
    {
        using var pool = new Pool("p", Some.Destinations("a", "b"), PoolSettings.Default.With(new RoundRobin()));
        Assert.Equal("a", pool.Pick().Member.Destination.Name);
        pool.PickOn("a").Dispose();
        Assert.Equal("b", pool.Pick().Member.Destination.Name);
    }

    [Fact]
    public void A_session_leaves_a_member_that_is_down_unless_all_are()
    {
        using var pool = new Pool("p", Some.Destinations("a", "b"));
        pool.SetAvailable("a", "probe", false);
        Assert.Equal(PickStatus.Picked, pool.TryPick(out var moved, preferred: pool.Member("a")));
        Assert.Equal("b", moved.Member.Destination.Name);
        pool.SetAvailable("b", "probe", false);
        pool.PickOn("a").Dispose();
        pool.PickOn("b").Dispose();
    }

    [Fact]
    public void A_member_is_down_while_any_source_says_so()
    {
        using var pool = new Pool("p", Some.Destinations("a", "b"));
        Assert.True(pool.SetAvailable("a", "probe", false));
        Assert.True(pool.SetAvailable("a", "outliers", false));
        Assert.False(pool.SetAvailable("a", "outliers", false));
        Assert.True(pool.SetAvailable("a", "probe", true));
        Assert.True(pool.Member("a").IsDown);
        Assert.True(pool.SetAvailable("a", "outliers", true));
        Assert.False(pool.Member("a").IsDown);
        Assert.False(pool.SetAvailable("c", "probe", false));
    }

    [Fact]
    public void What_fails_at_once_draws_no_traffic()
    {
        using var pool = new Pool("p", Some.Destinations("a", "b", "c"), seed: 1);
        var picks = 0;
        for (var i = 0; i < 3_000; i++)
        {
            using var lease = pool.Pick();
            var isBad = lease.Member.Destination.Name == "a";
            picks += isBad ? 1 : 0;
            lease.Report(isBad ? OutcomeKind.NotConnected : OutcomeKind.Answered, isBad ? null : 200);
        }

        Assert.InRange(picks, 1, 1_000);
    }

    [Fact]
    public void A_policy_that_wants_none_of_those_left_leaves_none()
    {
        using var pool = new Pool("p", Some.Destinations("a", "b"), PoolSettings.Default.With(new AtMostOne { Wanted = "a", Bound = 9 }));
        using var lease = pool.Pick();
        Assert.Equal(PickStatus.NoneLeft, pool.TryPick(out _, tried: [lease.Member]));
    }

    [Fact]
    public void A_limit_holds_whatever_the_policy_picks_and_however_many_threads_ask()
    {
        using var pool = new Pool("p", Some.Destinations("a"), Some.Limit(2).With(new Heedless()));
        var (held, most) = (0, 0);
        Parallel.For(0, 4, new ParallelOptions { MaxDegreeOfParallelism = 4, CancellationToken = Some.Token }, _ =>
        {
            for (var i = 0; i < 20_000; i++)
            {
                if (pool.TryPick(out var lease) == PickStatus.Picked)
                {
                    var now = Interlocked.Increment(ref held);
                    most = Math.Max(most, now);
                    Assert.InRange(lease.Member.InFlight, 1, 2);
                    Interlocked.Decrement(ref held);
                    lease.Dispose();
                }
            }
        });
        Assert.InRange(most, 1, 2);

        using var one = pool.Pick();
        using var two = pool.Pick();
        Assert.Equal(PickStatus.Full, pool.TryPick(out var none));
        Assert.False(none.IsHeld);
        Assert.Equal(2, pool.Member("a").InFlight);
    }

    [Fact]
    public void An_explanation_says_who_why_and_how_each_stands_and_takes_no_turn()
    {
        using var pool = new Pool(
            "p",
            Some.Destinations("a", "b", "c", "d", "e"),
            Some.Limit(1).With(new RoundRobin()),
            seed: 1);
        using var full = pool.PickOn("b");
        pool.SetState("c", MemberState.Off);
        pool.SetAvailable("d", "probe", false);

        var explanation = pool.Explain(tried: [pool.Member("e")]);
        Assert.Equal(("a", "RoundRobin", "turn 0 of 3"), (explanation.Chosen, explanation.Policy, explanation.Reason));
        Assert.Equal(["available", "full", "off", "down", "tried"], explanation.Candidates.Select(candidate => candidate.Standing));
        Assert.StartsWith("RoundRobin: a (turn 0 of 3); a available at load 0/1, b full at load 1/1, c off", explanation.ToString(), StringComparison.Ordinal);
        Assert.Equal("a", pool.Pick().Member.Destination.Name);

        Assert.Equal("all that may serve are full", pool.Explain(tried: [pool.Member("e")]).Reason);
        Assert.Equal("none is left that may serve", pool.Explain(tried: [pool.Member("a"), pool.Member("b"), pool.Member("e")]).Reason);
    }

    [Fact]
    public void An_explanation_names_the_member_that_is_picked_next()
    {
        using var pool = new Pool("p", Some.Destinations("a", "b", "c"), seed: 3);
        for (var i = 0; i < 100; i++)
        {
            var said = pool.Explain().Chosen;
            Assert.Equal(said, pool.Pick().Member.Destination.Name);
        }
    }

    [Fact]
    public void A_pool_without_a_source_is_ready_and_one_with_a_source_waits_for_its_first_set()
    {
        using var plain = new Pool("p", []);
        Assert.True(plain.Ready.IsCompleted);
        using var fed = new Pool("p", [], PoolSettings.Default.With(new Silent()));
        Assert.False(fed.Ready.IsCompleted);
        fed.Update(null, fed.Snapshot.Settings);
        Assert.False(fed.Ready.IsCompleted);
        fed.Update([]);
        Assert.True(fed.Ready.IsCompleted);
    }

    [Fact]
    public void A_member_that_cannot_be_reached_makes_its_source_look_again()
    {
        var source = new Silent();
        using var pool = new Pool("p", Some.Destinations("a"), PoolSettings.Default.With(source));
        using (var lease = pool.Pick())
        {
            lease.Report(OutcomeKind.NotConnected);
        }

        using (var lease = pool.Pick())
        {
            lease.Report(OutcomeKind.Broken);
        }

        Assert.Equal(1, source.Refreshed);
    }

    [Fact]
    public async Task A_rolling_change_under_load_loses_no_request()
    {
        using var pool = new Pool("p", Some.Destinations("a", "b"));
        var stop = false;
        var threads = Enumerable.Range(0, 3).Select(_ => Task.Run(
            () =>
            {
                while (!Volatile.Read(ref stop))
                {
                    using var lease = pool.Pick(); // fails where none is picked
                    Assert.False(lease.Member.Retired.IsCancellationRequested);
                }
            },
            Some.Token)).ToArray();
        for (var i = 0; i < 2_000; i++)
        {
            pool.Update(i % 2 == 0 ? [Some.Destination("b", weight: 2), Some.Destination("c")] : [Some.Destination("a"), Some.Destination("b")]);
            pool.SetState("b", i % 3 == 0 ? MemberState.Draining : MemberState.Active);
        }

        Volatile.Write(ref stop, true);
        await Task.WhenAll(threads);
        Assert.All(pool.Snapshot.Members, member => Assert.Equal(0, member.InFlight));
    }

    private sealed class AtMostOne : IBalancingPolicy, IPicker
    {
        public string? Wanted { get; init; }

        public int Bound { get; init; } = 1;

        private Member? First { get; set; }

        public IPicker Prepare(PoolSnapshot snapshot) => snapshot.Members.Length > Bound
            ? throw new NotSupportedException("too many")
            : new AtMostOne { First = snapshot.Available.FirstOrDefault(member => Wanted is null || member.Destination.Name == Wanted) };

        public Member? Pick(in PickRequest request) => First is { } member && request.Allows(member) ? member : null;
    }

    private sealed class Heedless : IBalancingPolicy, IPicker
    {
        private Member? First { get; init; }

        public IPicker Prepare(PoolSnapshot snapshot) => new Heedless { First = snapshot.Available.FirstOrDefault() };

        public Member? Pick(in PickRequest request) => First;
    }

    private sealed class Silent : IDestinationSource
    {
        public int Refreshed { get; private set; }

        public IAsyncEnumerable<IReadOnlyList<Destination>> WatchAsync(CancellationToken cancellationToken) => AsyncEnumerable.Empty<IReadOnlyList<Destination>>();

        public void Refresh() => Refreshed++;
    }
}
