using Microsoft.Extensions.Time.Testing;

namespace ProxyKit.Tests.Pools;

public class LeaseTests
{
    private readonly Listener _listener = new();
    private readonly FakeTimeProvider _time = new();

    [Fact]
    public void A_seat_is_taken_at_the_pick_and_freed_once_however_often_it_is_disposed()
    {
        using var pool = Pool("a");
        var lease = pool.Pick();
        var copy = lease;
        Assert.Equal(1, pool.Member("a").InFlight);

        lease.Dispose();
        copy.Dispose();
        lease.Dispose();
        Assert.Equal(0, pool.Member("a").InFlight);
    }

    [Fact]
    public void A_copy_of_an_old_lease_does_nothing_to_the_lease_that_stands_on_its_seat_now()
    {
        using var pool = Pool("a");
        var old = pool.Pick();
        old.Report(OutcomeKind.Answered, 200);
        old.Dispose();
        using var now = pool.Pick(); // on this thread it is the same seat

        old.Report(OutcomeKind.NotConnected);
        old.Dispose();

        Assert.False(old.IsHeld);
        Assert.True(now.IsHeld);
        Assert.NotEqual(old, now);
        Assert.Equal(1, pool.Member("a").InFlight);
        Assert.Single(_listener.Heard);
        Assert.Throws<InvalidOperationException>(() => old.Member);
    }

    [Fact]
    public void A_default_lease_holds_nothing_and_may_be_disposed()
    {
        Lease lease = default;
        lease.Report(OutcomeKind.Answered, 200);
        lease.Dispose();
        Assert.False(lease.IsHeld);
        Assert.Throws<InvalidOperationException>(() => lease.Member);
    }

    [Fact]
    public void The_first_report_counts_and_is_timed_from_the_pick()
    {
        using var pool = Pool("a");
        using (var lease = pool.Pick())
        {
            _time.Advance(TimeSpan.FromMilliseconds(30));
            lease.Report(OutcomeKind.TimedOut);
            lease.Report(OutcomeKind.Answered, 200);
            lease.Report(OutcomeKind.BodyBroken);
        }

        Assert.Equal([("a", new Outcome(OutcomeKind.TimedOut, TimeSpan.FromMilliseconds(30)))], _listener.Heard);
    }

    [Fact]
    public void A_broken_body_is_told_after_the_answer_and_once()
    {
        using var pool = Pool("a");
        using (var lease = pool.Pick())
        {
            lease.Report(OutcomeKind.Answered, 200);
            lease.Report(OutcomeKind.BodyBroken);
            lease.Report(OutcomeKind.BodyBroken);
        }

        Assert.Equal([OutcomeKind.Answered, OutcomeKind.BodyBroken], _listener.Heard.Select(heard => heard.Outcome.Kind));
    }

    [Fact]
    public void A_lease_that_nobody_reported_was_abandoned()
    {
        using var pool = Pool("a");
        pool.Pick().Dispose();
        Assert.Equal([OutcomeKind.Abandoned], _listener.Heard.Select(heard => heard.Outcome.Kind));
    }

    [Fact]
    public void An_observer_that_throws_keeps_no_seat()
    {
        using var pool = new Pool("p", Some.Destinations("a"), observers: [new Thrower()]);
        var lease = pool.Pick();
        Assert.Throws<NotSupportedException>(() => lease.Dispose());
        Assert.Equal(0, pool.Member("a").InFlight);
    }

    [Fact]
    public void Threads_that_use_copies_after_the_end_disturb_no_other_lease()
    {
        using var pool = new Pool("p", Some.Destinations("a", "b"), observers: [_listener]);
        const int Rounds = 20_000;
        var shared = new Lease[8];
        Parallel.For(0, 4, new ParallelOptions { CancellationToken = Some.Token }, thread =>
        {
            var random = new Random(thread);
            for (var i = 0; i < Rounds; i++)
            {
                Assert.Equal(PickStatus.Picked, pool.TryPick(out var lease));
                lock (shared)
                {
                    shared[random.Next(8)] = lease;
                }

                Lease other;
                lock (shared)
                {
                    other = shared[random.Next(8)];
                }

                lease.Report(OutcomeKind.Answered, 200);
                lease.Dispose();
                other.Dispose(); // of another thread, over or not
                other.Report(OutcomeKind.NotConnected);
            }
        });

        Assert.All(pool.Snapshot.Members, member => Assert.Equal(0, member.InFlight));
        Assert.Equal(4 * Rounds, _listener.Heard.Count); // each attempt told exactly once, by whomever
        Assert.DoesNotContain(_listener.Heard, heard => heard.Outcome.Kind == OutcomeKind.NotConnected);
    }

    [Theory]
    [InlineData(false), InlineData(true)]
    public void Picking_reporting_and_disposing_allocate_nothing(bool turns)
    {
        using var pool = new Pool("p", Some.Destinations("a", "b", "c"), Some.Limit(5, queue: 3).With(turns ? new RoundRobin() : new PowerOfTwo()));
        Member[] tried = [pool.Member("b")];
        for (var i = 0; i < 1_000; i++)
        {
            Round(pool, tried);
        }

        // The runtime allocates now and then on whatever thread it finds; what a round allocates shows in every run.
        Assert.Equal(0, Enumerable.Range(0, 5).Min(_ => Run()));

        long Run()
        {
            var before = GC.GetAllocatedBytesForCurrentThread();
            for (var i = 0; i < 10_000; i++)
            {
                Round(pool, tried);
            }

            return GC.GetAllocatedBytesForCurrentThread() - before;
        }

        static void Round(Pool pool, Member[] tried)
        {
            pool.TryPick(out var lease, key: 7, preferred: tried[0], tried: tried);
            lease.Report(OutcomeKind.Answered, 200);
            lease.Dispose();
        }
    }

    private Pool Pool(params string[] names) => new("p", Some.Destinations(names), observers: [_listener], time: _time);

    private sealed class Thrower : IOutcomeObserver
    {
        public void OnOutcome(Pool pool, Member member, in Outcome outcome) => throw new NotSupportedException();
    }
}
