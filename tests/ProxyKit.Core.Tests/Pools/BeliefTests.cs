using CsCheck;

using Microsoft.Extensions.Time.Testing;

namespace ProxyKit.Tests.Pools;

// What several sources think of a destination, and who is told when that changes how it stands.
public sealed class BeliefTests : IDisposable
{
    private readonly FakeTimeProvider _time = new();
    private readonly List<string> _changes = [];
    private readonly Pool _pool;

    public BeliefTests()
    {
        _pool = new Pool("p", Some.Destinations("a", "b"), time: _time);
        _pool.MemberChanged += (sender, change) =>
        {
            Assert.Same(_pool, sender);
            Assert.Same(_pool, change.Pool);
            Assert.Equal(change.After, _pool.Member(change.Destination).Standing); // it has happened
            _changes.Add($"{change.Destination} {change.Before}-{change.After} {change.Source} {change.Reason}");
        };
    }

    public void Dispose() => _pool.Dispose();

    [Fact]
    public void The_worst_of_all_beliefs_counts() =>
        Gen.Select(Gen.Int[0, 2], Gen.Enum<Availability>()).Array[1, 20].Sample(said =>
        {
            using var pool = new Pool("p", Some.Destinations("a", "b"));
            var beliefs = new Dictionary<int, Availability>();
            foreach (var (source, availability) in said)
            {
                Assert.Equal(beliefs.GetValueOrDefault(source) != availability, pool.Believe("a", $"source {source}", availability));
                beliefs[source] = availability;
                Assert.Equal(beliefs.Values.Max(), pool.Member("a").Availability);
                Assert.Equal(
                    beliefs.Where(belief => belief.Value != Availability.Up).Select(belief => $"source {belief.Key} {belief.Value}").Order(),
                    pool.Member("a").Beliefs.Select(belief => $"{belief.Source} {belief.Availability}").Order());
            }
        });

    [Fact]
    public void A_belief_says_its_latest_reason_and_since_when_it_is_held()
    {
        _pool.Believe("a", "probe", Availability.Down, "it refuses");
        var since = _time.GetUtcNow();
        _time.Advance(TimeSpan.FromSeconds(5));
        Assert.False(_pool.Believe("a", "probe", Availability.Down));
        Assert.False(_pool.Believe("a", "probe", Availability.Down, "it refuses"));
        Assert.Equal(new Belief("probe", Availability.Down, "it refuses", since), Assert.Single(_pool.Member("a").Beliefs));
        Assert.True(_pool.Believe("a", "probe", Availability.Down, "it is silent")); // the same for another reason
        Assert.Equal(new Belief("probe", Availability.Down, "it is silent", since), Assert.Single(_pool.Member("a").Beliefs));
        Assert.True(_pool.Believe("a", "probe", Availability.Trial, "once more"));
        Assert.Equal(new Belief("probe", Availability.Trial, "once more", since.AddSeconds(5)), Assert.Single(_pool.Member("a").Beliefs));
        Assert.True(_pool.SetAvailable("a", "probe", available: true));
        Assert.Empty(_pool.Member("a").Beliefs);
        Assert.False(_pool.Believe("nobody", "probe", Availability.Down));
    }

    [Fact]
    public void Each_change_of_standing_is_told_once_in_order_and_no_other()
    {
        _pool.Believe("a", "probe", Availability.Down, "it refuses");
        _pool.Believe("a", "outliers", Availability.Down, "3 in a row"); // it is down already
        _pool.Believe("a", "probe", Availability.Up); // and still is
        _pool.Believe("a", "outliers", Availability.Trial, "once more");
        _pool.Believe("b", "reported", Availability.Degraded, "it says so");
        _pool.Believe("a", "outliers", Availability.Up, "it serves");
        _pool.SetState("b", MemberState.Off, "repair");
        _pool.Update(Some.Destinations("a", "c")); // who comes or goes has not changed
        Assert.Equal(
            [
                "a Active-Down probe it refuses",
                "a Down-Trial outliers once more",
                "b Active-Degraded reported it says so",
                "a Trial-Active outliers it serves",
                "b Degraded-Off control repair",
            ],
            _changes);
    }

    [Fact]
    public void One_change_of_the_pool_tells_all_that_it_changes()
    {
        _pool.Update([.. Some.Destinations("c", "a").Select(destination => destination with { Disabled = true }), .. Some.Destinations("b")]);
        Assert.Equal(["a Active-Draining configuration ", "a Draining-Off control drained"], _changes);
        _pool.Update(Some.Destinations("a", "b", "c")); // in another order than before
        Assert.Equal(["c Off-Active configuration ", "a Off-Active configuration "], _changes[2..].OrderDescending());
    }

    [Fact]
    public async Task Who_waits_for_the_next_snapshot_is_told_of_it_and_not_inside_the_change()
    {
        var before = _pool.Snapshot;
        var told = before.Replaced.ContinueWith(_ => _pool.Snapshot != before, TaskContinuationOptions.ExecuteSynchronously);
        Assert.False(before.Replaced.IsCompleted);
        _pool.Believe("a", "probe", Availability.Down);
        Assert.True(before.Replaced.IsCompleted);
        Assert.False(_pool.Snapshot.Replaced.IsCompleted);
        Assert.True(await told.WaitAsync(Some.Token));
        _pool.Believe("a", "probe", Availability.Down);
        Assert.False(_pool.Snapshot.Replaced.IsCompleted); // nothing has changed
    }

    [Fact]
    public void Where_it_is_wanted_a_new_destination_gets_nothing_until_it_is_proven()
    {
        var settings = PoolSettings.Default.With(new ProvenFirst("probe", "it was not probed yet"));
        using var pool = new Pool("p", Some.Destinations("a"), settings, time: _time);
        Assert.Equal(new Belief("probe", Availability.Down, "it was not probed yet", _time.GetUtcNow()), Assert.Single(pool.Member("a").Beliefs));
        pool.Believe("a", "probe", Availability.Up);
        pool.Update(Some.Destinations("a", "b"));
        Assert.Equal([MemberStanding.Active, MemberStanding.Down], pool.Snapshot.Members.Select(member => member.Standing));
        Assert.Equal("a", pool.Pick().Member.Destination.Name);
        pool.Update([Some.Destination("a", port: 81), Some.Destination("b")]); // another address is another server
        Assert.Equal(MemberStanding.Down, pool.Member("a").Standing);
        pool.Believe("b", "outliers", Availability.Down); // another source is no proof
        Assert.Equal(["probe", "outliers"], pool.Member("b").Beliefs.Select(belief => belief.Source));
    }

    [Fact]
    public async Task Ready_waits_for_all_that_delay_it_however_they_end()
    {
        await _pool.Ready.WaitAsync(Some.Token);
        var (fails, ends) = (new TaskCompletionSource(), new TaskCompletionSource());
        _pool.HoldReady(fails.Task);
        _pool.HoldReady(ends.Task);
        Assert.False(_pool.Ready.IsCompleted);
        fails.SetException(new InvalidOperationException());
        Assert.False(_pool.Ready.IsCompleted);
        ends.SetCanceled(Some.Token.IsCancellationRequested ? Some.Token : new CancellationToken(canceled: true));
        await _pool.Ready.WaitAsync(Some.Token);
    }

    [Fact]
    public void One_that_is_back_warms_up_but_not_before_the_pool_takes_traffic()
    {
        using var pool = new Pool("p", Some.Destinations("a", "b"), PoolSettings.Default.With(new SlowStartOptions()), time: _time);
        var judged = new TaskCompletionSource();
        pool.HoldReady(judged.Task);
        pool.Believe("a", "probe", Availability.Down);
        pool.Believe("a", "probe", Availability.Up);
        Assert.Equal(1, pool.Member("a").Weight); // all are equally cold
        judged.SetResult();
        foreach (var (worst, weight) in ((Availability, double)[])[(Availability.Degraded, 1), (Availability.Draining, 0.1), (Availability.Trial, 0.1), (Availability.Down, 0.1)])
        {
            pool.Believe("a", "probe", worst);
            pool.Believe("a", "probe", Availability.Up);
            Assert.Equal(weight, pool.Member("a").Weight, 6);
            _time.Advance(TimeSpan.FromMinutes(1));
        }
    }

    [Theory]
    [InlineData("active", Availability.Up)]
    [InlineData(" Degraded ", Availability.Degraded)]
    [InlineData("DRAINING", Availability.Draining)]
    [InlineData("down", Availability.Down)]
    [InlineData("trial", null)]
    [InlineData("up", null)]
    [InlineData("", null)]
    public void A_state_is_read_in_either_case(string value, Availability? availability) => Assert.Equal(availability, StateHeaderOptions.Read(value));

    [Fact]
    public void Faults_of_panic_and_of_the_state_header_say_what_would_be_right()
    {
        Assert.Empty(new PanicOptions().Faults().Concat(new StateHeaderOptions().Faults()));
        Assert.Equal(
            ["Threshold is NaN; it must be 0 to 1, such as 0.5.", "Mode is 7; it must be UseAll or FailFast."],
            new PanicOptions { Threshold = double.NaN, Mode = (PanicMode)7 }.Faults());
        Assert.Equal(
            ["Name is 'X State'; it must be the name of a field, such as 'X-Backend-State' (RFC 9110 §5.1).", "Lasts is 00:00:00; it must be more than 0 and at most a day."],
            new StateHeaderOptions { Name = "X State", Lasts = TimeSpan.Zero }.Faults());
    }

    [Fact]
    public void Who_is_believed_down_can_be_asked_as_a_last_resort_but_neither_who_is_off_nor_who_was_tried()
    {
        using var pool = new Pool("p", Some.Destinations("well", "down", "busy", "off"));
        pool.Believe("down", "probe", Availability.Down);
        pool.Believe("busy", "probe", Availability.Down);
        pool.Believe("off", "probe", Availability.Down);
        pool.SetState("off", MemberState.Off);
        using var holds = pool.TryPickDoubted(out var first, [pool.Member("down")]) ? first : default;
        Assert.Equal("busy", holds.Member.Destination.Name);
        Assert.True(pool.TryPickDoubted(out var lease, [pool.Member("well")]));
        using (lease)
        {
            Assert.Equal("down", lease.Member.Destination.Name);
        }

        Assert.False(pool.TryPickDoubted(out _, [pool.Member("down"), pool.Member("busy")]));
        Assert.Equal(0, pool.Member("down").InFlight);
    }

    [Fact]
    public void A_pool_that_is_to_fail_fast_asks_nobody_as_a_last_resort()
    {
        using var pool = new Pool("p", Some.Destinations("a", "b"), PoolSettings.Default.With(new PanicOptions { Mode = PanicMode.FailFast }));
        pool.Believe("a", "probe", Availability.Down);
        Assert.True(pool.TryPickDoubted(out var lease, [])); // half are well
        lease.Dispose();
        pool.Believe("b", "probe", Availability.Down);
        Assert.False(pool.TryPickDoubted(out _, []));
    }
}
