using Microsoft.Extensions.Time.Testing;

using ProxyKit.Health.Tests.Outliers;

namespace ProxyKit.Health.Tests.Reports;

public sealed class SelfReportsTests : IDisposable
{
    private readonly FakeTimeProvider _time = new();
    private readonly Pool _pool;

    public SelfReportsTests() => _pool = new Pool(
        "p", [Watched.Destination("a"), Watched.Destination("b")], PoolSettings.Default.With(new StateHeaderOptions()), [new SelfReports()], _time, seed: 1);

    public void Dispose() => _pool.Dispose();

    [Theory]
    [InlineData(Availability.Degraded, MemberStanding.Degraded)]
    [InlineData(Availability.Draining, MemberStanding.Draining)]
    [InlineData(Availability.Down, MemberStanding.Down)]
    public void What_it_says_is_believed_until_it_says_otherwise(Availability said, MemberStanding standing)
    {
        Say(said);
        Assert.Equal(standing, Standing);
        Assert.Equal(new Belief("reported", said, "it says so itself", _time.GetUtcNow()), Assert.Single(_pool.Snapshot.Find("a")!.Beliefs));
        Say(null); // nothing said, nothing changed
        Assert.Equal(standing, Standing);
        Say(Availability.Up);
        Assert.Equal(MemberStanding.Active, Standing);
        Assert.Equal(MemberStanding.Active, _pool.Snapshot.Find("b")!.Standing);
    }

    [Fact]
    public void It_lasts_30_seconds_from_when_it_was_last_heard()
    {
        Say(Availability.Degraded);
        Pass(20);
        Say(Availability.Degraded);
        Pass(29);
        Assert.Equal(MemberStanding.Degraded, Standing);
        Pass(1);
        Assert.Equal(MemberStanding.Active, Standing);
        Say(Availability.Degraded);
        Assert.Equal(MemberStanding.Degraded, Standing);
    }

    [Fact]
    public void What_it_says_anew_lasts_anew()
    {
        Say(Availability.Degraded);
        Pass(20);
        Say(Availability.Draining);
        Pass(29);
        Assert.Equal(MemberStanding.Draining, Standing);
        Pass(1);
        Assert.Equal(MemberStanding.Active, Standing);
    }

    [Fact]
    public void Saying_the_same_again_changes_nothing()
    {
        Say(Availability.Degraded);
        var snapshot = _pool.Snapshot;
        Pass(5);
        Say(Availability.Degraded);
        Assert.Same(snapshot, _pool.Snapshot);
    }

    [Fact]
    public async Task Taken_out_of_the_settings_what_was_said_is_taken_back()
    {
        Say(Availability.Degraded);
        _pool.Update(null, PoolSettings.Default);
        await Eventually.InAsync(_pool, _ => Standing == MemberStanding.Active);
        Say(Availability.Degraded); // nobody listens
        Assert.Equal(MemberStanding.Active, Standing);
    }

    [Fact]
    public void A_destination_that_goes_is_forgotten()
    {
        Say(Availability.Degraded);
        using (var running = Pick())
        {
            _pool.Update([Watched.Destination("b")]);
            _pool.Update([Watched.Destination("a"), Watched.Destination("b")]);
        }

        Assert.Equal(MemberStanding.Active, Standing);
        Say(Availability.Degraded);
        Assert.Equal(MemberStanding.Degraded, Standing);
    }

    private MemberStanding Standing => _pool.Snapshot.Find("a")!.Standing;

    private Lease Pick()
    {
        Assert.Equal(PickStatus.Picked, _pool.TryPick(out var lease, preferred: _pool.Snapshot.Find("a")));
        return lease;
    }

    private void Say(Availability? said)
    {
        // One that is drained or down gets no request; its word may come from one that was on its way.
        if (Standing is MemberStanding.Down)
        {
            new SelfReports().OnOutcome(_pool, _pool.Snapshot.Find("a")!, new Outcome(OutcomeKind.Answered, TimeSpan.Zero, 200, Reported: said));
            return;
        }

        using var lease = Pick();
        lease.Report(OutcomeKind.Answered, 200, reported: said);
    }

    private void Pass(int seconds)
    {
        for (var i = 0; i < seconds; i++)
        {
            _time.Advance(TimeSpan.FromSeconds(1));
        }
    }
}
