using Microsoft.Extensions.ObjectPool;
using Microsoft.Extensions.Time.Testing;

namespace ProxyKit.Forwarding.Tests;

public sealed class DeadlineTests
{
    private readonly FakeTimeProvider _time = new();
    private readonly Deadline.Source _source;

    public DeadlineTests() => _source = new Deadline.Source(_time);

    [Fact]
    public void It_ends_at_the_limit_that_was_set_last_and_says_which()
    {
        var deadline = Begun();
        deadline.Set(TimeoutKind.FirstByte, TimeSpan.FromSeconds(60));
        deadline.Set(TimeoutKind.ReadIdle, TimeSpan.FromSeconds(5));
        _time.Advance(TimeSpan.FromSeconds(4));
        Assert.False(deadline.Token.IsCancellationRequested);
        _time.Advance(TimeSpan.FromSeconds(2));
        Assert.Equal((true, TimeoutKind.ReadIdle), (deadline.Token.IsCancellationRequested, deadline.Reached));
    }

    [Fact]
    public void A_limit_that_is_moved_ahead_again_and_again_does_not_end_it()
    {
        var deadline = Begun();
        for (var i = 0; i < 100; i++)
        {
            deadline.Set(TimeoutKind.ReadIdle, TimeSpan.FromSeconds(10));
            _time.Advance(TimeSpan.FromSeconds(9));
        }

        Assert.False(deadline.Token.IsCancellationRequested);
        _time.Advance(TimeSpan.FromSeconds(2));
        Assert.Equal(TimeoutKind.ReadIdle, deadline.Reached);
    }

    [Fact]
    public void Zero_lifts_the_limit_and_the_total_stays()
    {
        var deadline = Begun(total: TimeSpan.FromMinutes(1));
        deadline.Set(TimeoutKind.FirstByte, TimeSpan.FromSeconds(5));
        deadline.Set(TimeoutKind.ReadIdle, TimeSpan.Zero);
        _time.Advance(TimeSpan.FromSeconds(50));
        Assert.False(deadline.Token.IsCancellationRequested);
        _time.Advance(TimeSpan.FromSeconds(11));
        Assert.Equal(TimeoutKind.Total, deadline.Reached);
    }

    [Fact]
    public void A_client_that_leaves_or_has_left_ends_it_for_no_limit()
    {
        using var client = new CancellationTokenSource();
        var deadline = _source.Create();
        deadline.Begin(Deadline.Never, client.Token);
        client.Cancel();
        Assert.Equal((true, true, TimeoutKind.None), (deadline.Token.IsCancellationRequested, deadline.ClientLeft, deadline.Reached));

        var late = _source.Create();
        late.Begin(Deadline.Never, client.Token);
        Assert.True(late.ClientLeft);
    }

    [Fact]
    public void One_that_was_given_back_is_cancelled_neither_by_its_old_limit_nor_by_its_old_client()
    {
        using var client = new CancellationTokenSource();
        var deadline = _source.Create();
        deadline.Begin(Deadline.After(_time, _time.GetTimestamp(), TimeSpan.FromSeconds(3)), client.Token);
        deadline.Set(TimeoutKind.FirstByte, TimeSpan.FromSeconds(5));
        Assert.True(_source.Return(deadline));

        deadline.Begin(Deadline.Never, CancellationToken.None);
        client.Cancel();
        _time.Advance(TimeSpan.FromSeconds(10));
        Assert.False(deadline.Token.IsCancellationRequested);
        deadline.Set(TimeoutKind.ReadIdle, TimeSpan.FromSeconds(2));
        _time.Advance(TimeSpan.FromSeconds(3));
        Assert.Equal(TimeoutKind.ReadIdle, deadline.Reached);
    }

    [Fact]
    public void One_that_has_ended_is_not_used_again()
    {
        var cancelled = Begun();
        cancelled.Cancel();
        Assert.False(_source.Return(cancelled));

        var reached = Begun();
        reached.Set(TimeoutKind.FirstByte, TimeSpan.FromSeconds(1));
        _time.Advance(TimeSpan.FromSeconds(2));
        Assert.False(_source.Return(reached));
    }

    [Fact]
    public void From_a_pool_one_request_never_ends_another()
    {
        var pool = new DefaultObjectPool<Deadline>(_source, 2);
        for (var i = 0; i < 50; i++)
        {
            var deadline = pool.Get();
            Assert.False(deadline.Token.IsCancellationRequested);
            deadline.Begin(Deadline.Never, CancellationToken.None);
            deadline.Set(TimeoutKind.FirstByte, TimeSpan.FromSeconds(i % 7));
            _time.Advance(TimeSpan.FromSeconds(3));
            Assert.Equal(i % 7 is 1 or 2, deadline.Reached == TimeoutKind.FirstByte);
            pool.Return(deadline);
        }
    }

    [Fact]
    public void The_end_of_all_ends_what_runs_and_what_comes_but_no_tunnel()
    {
        var pool = new DefaultObjectPool<Deadline>(_source, 8);
        var pooled = pool.Get();
        var running = Begun();
        var tunnel = Begun();
        tunnel.Outlasts = true;
        var over = Begun();
        over.Cancel();
        pool.Return(pooled);
        Assert.Equal(1, _source.End());
        Assert.Equal((true, true, TimeoutKind.None), (running.Token.IsCancellationRequested, running.IsOver, running.Reached));
        Assert.Equal((false, false), (tunnel.Token.IsCancellationRequested, over.IsOver));
        Assert.True(pool.Get().IsOver);
        Assert.True(Begun().IsOver);
    }

    [Fact]
    public void What_was_a_tunnel_once_is_none_when_it_is_used_again()
    {
        var deadline = Begun();
        deadline.Outlasts = true;
        Assert.True(_source.Return(deadline));
        deadline.Begin(Deadline.Never, CancellationToken.None);
        Assert.Equal(1, _source.End());
    }

    private Deadline Begun(TimeSpan total = default)
    {
        var deadline = _source.Create();
        deadline.Begin(Deadline.After(_time, _time.GetTimestamp(), total), CancellationToken.None);
        return deadline;
    }
}
