using Microsoft.Extensions.Time.Testing;

namespace ProxyKit.Tests.Pools;

public class DrainTests
{
    private static readonly TimeSpan Minute = TimeSpan.FromMinutes(1);

    private readonly FakeTimeProvider _time = new();

    [Fact]
    public async Task An_idle_destination_is_drained_at_once()
    {
        using var pool = Pool();
        Assert.Equal(0, await pool.DrainAsync("a", Minute, cancellationToken: Some.Token));
        Assert.Equal(MemberState.Off, pool.Member("a").State);
    }

    [Fact]
    public async Task A_drain_ends_with_the_last_request_and_nothing_new_comes_meanwhile()
    {
        using var pool = Pool();
        var lease = pool.PickOn("a");
        var drain = pool.DrainAsync("a", Minute, cancellationToken: Some.Token);
        Assert.Equal(MemberState.Draining, pool.Member("a").State);
        Assert.All(Enumerable.Range(0, 20), _ => Assert.Equal("b", pool.Pick().Member.Destination.Name));

        lease.Dispose();
        Assert.Equal(0, await drain);
        Assert.Equal(MemberState.Off, pool.Member("a").State);
    }

    [Fact]
    public async Task The_deadline_ends_what_still_runs_and_tells_how_much_that_was()
    {
        using var pool = Pool();
        using var lease = pool.PickOn("a");
        using var other = pool.PickOn("a");
        var drain = pool.DrainAsync("a", Minute, cancellationToken: Some.Token);
        _time.Advance(Minute - TimeSpan.FromSeconds(1));
        Assert.False(lease.Member.Retired.IsCancellationRequested);
        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal(2, await drain);
        Assert.True(lease.Member.Retired.IsCancellationRequested);
        Assert.Equal(MemberState.Off, pool.Member("a").State);
    }

    [Fact]
    public async Task A_second_drain_moves_the_deadline_and_ends_neither()
    {
        using var pool = Pool();
        using var lease = pool.PickOn("a");
        var first = pool.DrainAsync("a", Minute, cancellationToken: Some.Token);
        var second = pool.DrainAsync("a", 3 * Minute, cancellationToken: Some.Token);
        _time.Advance(2 * Minute);
        Assert.False(first.IsCompleted || second.IsCompleted);
        Assert.False(lease.Member.Retired.IsCancellationRequested);
        _time.Advance(Minute);
        Assert.All(await Task.WhenAll(first, second), left => Assert.Equal(1, left));
    }

    [Fact]
    public async Task Who_stops_waiting_for_a_drain_does_not_stop_it()
    {
        using var pool = Pool();
        using var lease = pool.PickOn("a");
        using var stop = new CancellationTokenSource();
        var drain = pool.DrainAsync("a", Minute, cancellationToken: stop.Token);
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => drain);
        Assert.Equal(MemberState.Draining, pool.Member("a").State);
        _time.Advance(Minute);
        Assert.Equal(MemberState.Off, pool.Member("a").State);
    }

    [Theory]
    [InlineData(MemberState.Active, false), InlineData(MemberState.Off, true)]
    public async Task Another_state_ends_a_drain(MemberState state, bool ends)
    {
        using var pool = Pool();
        using var lease = pool.PickOn("a");
        var drain = pool.DrainAsync("a", Minute, cancellationToken: Some.Token);
        Assert.True(pool.SetState("a", state));
        Assert.Equal(1, await drain);
        Assert.Equal(state, pool.Member("a").State);
        Assert.Equal(ends, lease.Member.Retired.IsCancellationRequested);

        _time.Advance(2 * Minute); // the old deadline is none any more
        Assert.Equal(state, pool.Member("a").State);
    }

    [Fact]
    public async Task Known_sessions_go_on_until_the_deadline_where_they_are_kept()
    {
        using var pool = Pool(PoolSettings.Default.With(new DrainOptions { KeepSessions = true }));
        var drain = pool.DrainAsync("a", Minute, cancellationToken: Some.Token);
        pool.PickOn("a").Dispose();
        Assert.Equal("b", pool.Pick().Member.Destination.Name);
        _time.Advance(Minute - TimeSpan.FromSeconds(1));
        Assert.False(drain.IsCompleted);
        pool.PickOn("a").Dispose();
        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal(0, await drain);
        Assert.Equal(PickStatus.Picked, pool.TryPick(out var moved, preferred: pool.Member("a")));
        Assert.Equal("b", moved.Member.Destination.Name);
    }

    [Theory]
    [InlineData(false), InlineData(true)]
    public async Task A_destination_that_is_removed_while_it_drains_goes_on_draining(bool keepSessions)
    {
        using var pool = Pool(PoolSettings.Default.With(new DrainOptions { KeepSessions = keepSessions }));
        var lease = pool.PickOn("a");
        var drain = pool.DrainAsync("a", Minute, cancellationToken: Some.Token);
        pool.Update(Some.Destinations("b"));
        Assert.False(drain.IsCompleted);
        Assert.False(lease.Member.Retired.IsCancellationRequested);
        lease.Dispose();
        Assert.Equal(0, await drain);
    }

    [Fact]
    public async Task What_is_off_is_drained_already_and_stays_off()
    {
        using var pool = Pool();
        pool.SetState("a", MemberState.Off);
        Assert.Equal(0, await pool.DrainAsync("a", Minute, cancellationToken: Some.Token));
        Assert.Equal(MemberState.Off, pool.Member("a").State);
    }

    [Fact]
    public async Task A_name_that_there_is_none_of_is_refused_with_those_there_are()
    {
        using var pool = Pool();
        var fault = await Assert.ThrowsAsync<KeyNotFoundException>(() => pool.DrainAsync("c", Minute, cancellationToken: Some.Token));
        Assert.Equal("Pool 'p' has no destination 'c'. There are: 'a', 'b'.", fault.Message);
        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(() => pool.DrainAsync("a", TimeSpan.FromDays(50), cancellationToken: Some.Token));
        Assert.Equal(MemberState.Active, pool.Member("a").State);
    }

    [Fact]
    public void A_destination_that_a_reload_disables_drains_in_the_time_that_it_is_given()
    {
        using var pool = Pool(PoolSettings.Default.With(new DrainOptions { Timeout = Minute }));
        using var lease = pool.PickOn("a");
        pool.Update([Some.Destination("a") with { Disabled = true }, Some.Destination("b")]);
        Assert.Equal(MemberState.Draining, pool.Member("a").State);
        _time.Advance(Minute);
        Assert.Equal(MemberState.Off, pool.Member("a").State);
        Assert.True(lease.Member.Retired.IsCancellationRequested);

        pool.Update(Some.Destinations("a", "b"));
        Assert.Equal(MemberState.Active, pool.Member("a").State);
        Assert.False(pool.Member("a").Retired.IsCancellationRequested);
    }

    [Fact]
    public void Requests_on_a_removed_destination_finish_until_the_time_is_over()
    {
        using var pool = Pool(PoolSettings.Default.With(new DrainOptions { Timeout = Minute }));
        using var lease = pool.PickOn("a");
        pool.Update(Some.Destinations("b"));
        Assert.Null(pool.Snapshot.Find("a"));
        _time.Advance(Minute - TimeSpan.FromSeconds(1));
        Assert.False(lease.Member.Retired.IsCancellationRequested);
        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.True(lease.Member.Retired.IsCancellationRequested);
    }

    [Fact]
    public async Task A_drain_that_says_none_in_flight_was_not_passed_by_any_pick()
    {
        // Sessions stick to it while it drains: each that got its seat must be waited for, and be ended by nobody.
        for (var round = 0; round < 300; round++)
        {
            using var pool = new Pool("p", Some.Destinations("a", "b"));
            var sticky = pool.Member("a");
            var pickers = Enumerable.Range(0, 3).Select(_ => Task.Run(
                () =>
                {
                    for (var i = 0; i < 50; i++)
                    {
                        Assert.Equal(PickStatus.Picked, pool.TryPick(out var lease, preferred: sticky));
                        Assert.False(lease.Member.Retired.IsCancellationRequested && lease.Member.IsSame(sticky));
                        lease.Dispose();
                    }
                },
                Some.Token)).ToArray();
            Assert.Equal(0, await pool.DrainAsync("a", Minute, cancellationToken: Some.Token));
            Assert.Equal(0, pool.Member("a").InFlight);
            await Task.WhenAll(pickers);
        }
    }

    private Pool Pool(PoolSettings? settings = null) => new("p", Some.Destinations("a", "b"), settings, time: _time);
}
