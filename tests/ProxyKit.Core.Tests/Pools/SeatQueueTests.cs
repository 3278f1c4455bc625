using Microsoft.Extensions.Time.Testing;

namespace ProxyKit.Tests.Pools;

public class SeatQueueTests
{
    private readonly FakeTimeProvider _time = new();

    [Fact]
    public async Task Who_waits_is_served_in_the_order_of_arrival()
    {
        using var pool = new Pool("p", Some.Destinations("a"), Some.Limit(1, queue: 3));
        var lease = pool.Pick();
        var waiting = Enumerable.Range(0, 3).Select(_ => pool.PickAsync(cancellationToken: Some.Token).AsTask()).ToArray();
        Assert.Equal(3, pool.Waiting);

        foreach (var next in waiting)
        {
            Assert.False(next.IsCompleted);
            lease.Dispose();
            (var status, lease) = await next;
            Assert.Equal(PickStatus.Picked, status);
            Assert.Equal(1, pool.Member("a").InFlight);
        }

        lease.Dispose();
        Assert.Equal((0, 0), (pool.Waiting, pool.Member("a").InFlight));
    }

    [Fact]
    public async Task A_seat_that_came_free_between_the_look_and_the_entry_is_not_missed()
    {
        using var pool = new Pool("p", Some.Destinations("a"), Some.Limit(1, queue: 1));
        var queue = new SeatQueue(pool); // entered though a seat is free, as after such a race
        var waiter = queue.TryEnter(1, null, null, default);
        Assert.True(waiter!.Served.Task.IsCompleted);
        Assert.Equal(PickStatus.Picked, (await waiter.Served.Task).Status);
        Assert.Equal(0, queue.Count);
        Assert.False(queue.Leave(waiter));
    }

    [Fact]
    public async Task A_queue_that_is_full_refuses_at_once()
    {
        using var pool = new Pool("p", Some.Destinations("a"), Some.Limit(1, queue: 1));
        using var lease = pool.Pick();
        var waiting = pool.PickAsync(cancellationToken: Some.Token);
        var refused = pool.PickAsync(cancellationToken: Some.Token);
        Assert.True(refused.IsCompleted);
        Assert.Equal(PickStatus.Full, (await refused).Status);
        Assert.False(waiting.IsCompleted);
    }

    [Fact]
    public async Task Without_a_queue_nobody_waits()
    {
        using var pool = new Pool("p", Some.Destinations("a"), Some.Limit(1));
        using var lease = pool.Pick();
        Assert.Equal(PickStatus.Full, (await pool.PickAsync(cancellationToken: Some.Token)).Status);
    }

    [Fact]
    public async Task Waiting_ends_at_the_deadline_and_leaves_no_trace()
    {
        using var pool = new Pool("p", Some.Destinations("a"), Some.Limit(1, queue: 1, timeoutSeconds: 2), time: _time);
        var lease = pool.Pick();
        var waiting = pool.PickAsync(cancellationToken: Some.Token).AsTask();
        _time.Advance(TimeSpan.FromSeconds(1.9));
        Assert.False(waiting.IsCompleted);
        _time.Advance(TimeSpan.FromSeconds(0.1));
        Assert.Equal(PickStatus.Full, (await waiting).Status);

        Assert.Equal(0, pool.Waiting);
        lease.Dispose();
        Assert.Equal(0, pool.Member("a").InFlight);
    }

    [Fact]
    public async Task Who_gives_up_makes_room_for_the_next()
    {
        using var pool = new Pool("p", Some.Destinations("a"), Some.Limit(1, queue: 2));
        var lease = pool.Pick();
        using var giveUp = new CancellationTokenSource();
        var first = pool.PickAsync(cancellationToken: giveUp.Token).AsTask();
        var second = pool.PickAsync(cancellationToken: Some.Token).AsTask();
        await giveUp.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => first);
        lease.Dispose();
        (var status, lease) = await second;
        Assert.Equal(PickStatus.Picked, status);
        lease.Dispose();
        Assert.Equal((0, 0), (pool.Waiting, pool.Member("a").InFlight));
    }

    [Fact]
    public async Task A_seat_goes_to_the_first_who_can_use_it_not_to_the_first_alone()
    {
        using var pool = new Pool("p", Some.Destinations("a", "b"), Some.Limit(1, queue: 2));
        var (a, b) = (pool.PickOn("a"), pool.PickOn("b"));
        var notA = pool.PickAsync(tried: new[] { a.Member }, cancellationToken: Some.Token).AsTask();
        var any = pool.PickAsync(cancellationToken: Some.Token).AsTask();

        a.Dispose();
        Assert.Equal("a", (await any).Lease.Member.Destination.Name);
        Assert.False(notA.IsCompleted);
        b.Dispose();
        Assert.Equal("b", (await notA).Lease.Member.Destination.Name);
    }

    [Fact]
    public async Task Who_comes_later_does_not_pass_those_who_wait()
    {
        using var pool = new Pool("p", Some.Destinations("a", "b"), Some.Limit(1, queue: 2));
        var (a, b) = (pool.PickOn("a"), pool.PickOn("b"));
        var first = pool.PickAsync(cancellationToken: Some.Token).AsTask();
        var second = pool.PickAsync(cancellationToken: Some.Token).AsTask();
        b.Dispose();
        Assert.Equal("b", (await first).Lease.Member.Destination.Name);
        Assert.False(second.IsCompleted);
        a.Dispose();
        await second;
    }

    [Fact]
    public async Task A_reload_that_lifts_the_limit_serves_all_who_wait()
    {
        using var pool = new Pool("p", Some.Destinations("a"), Some.Limit(1, queue: 2));
        using var lease = pool.Pick();
        var waiting = new[] { pool.PickAsync(cancellationToken: Some.Token).AsTask(), pool.PickAsync(cancellationToken: Some.Token).AsTask() };
        pool.Update(null, PoolSettings.Default);
        Assert.All(await Task.WhenAll(waiting), served => Assert.Equal(PickStatus.Picked, served.Status));
        Assert.Equal(3, pool.Member("a").InFlight);
    }

    [Fact]
    public async Task Who_has_nobody_left_to_wait_for_is_told_so()
    {
        using var pool = new Pool("p", Some.Destinations("a"), Some.Limit(1, queue: 1));
        using var lease = pool.Pick();
        var waiting = pool.PickAsync(cancellationToken: Some.Token).AsTask();
        pool.Update([]);
        Assert.Equal(PickStatus.NoneLeft, (await waiting).Status);
    }

    [Theory]
    [InlineData(1, 1), InlineData(3, 2)]
    public async Task Many_who_come_and_go_never_exceed_the_limit_and_all_are_served(int destinations, int limit)
    {
        using var pool = new Pool("p", Some.Destinations([.. Enumerable.Range(0, destinations).Select(i => $"d{i}")]), Some.Limit(limit, queue: 64, timeoutSeconds: 3600));
        var held = new int[destinations];
        var served = 0;
        await Task.WhenAll(Enumerable.Range(0, 32).Select(worker => Task.Run(
            async () =>
            {
                var random = new Random(worker);
                for (var i = 0; i < 300; i++)
                {
                    using var giveUp = new CancellationTokenSource();
                    var pick = pool.PickAsync(cancellationToken: giveUp.Token).AsTask();
                    if (random.Next(5) == 0)
                    {
                        await giveUp.CancelAsync();
                    }

                    try
                    {
                        var (status, lease) = await pick;
                        Assert.Equal(PickStatus.Picked, status);
                        var name = lease.Member.Destination.Name[1] - '0';
                        Assert.InRange(Interlocked.Increment(ref held[name]), 1, limit);
                        await Task.Yield();
                        Interlocked.Decrement(ref held[name]);
                        lease.Dispose();
                        Interlocked.Increment(ref served);
                    }
                    catch (OperationCanceledException)
                    {
                        Assert.True(giveUp.IsCancellationRequested);
                    }
                }
            },
            Some.Token))).WaitAsync(TimeSpan.FromMinutes(1), Some.Token);

        Assert.InRange(served, 32 * 300 * 7 / 10, 32 * 300);
        Assert.Equal(0, pool.Waiting);
        Assert.All(pool.Snapshot.Members, member => Assert.Equal(0, member.InFlight));
    }
}
