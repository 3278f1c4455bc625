namespace ProxyKit.Health;

/// <summary>What an observer keeps beside a pool: the snapshot that it has taken up, one lock for all that happens seldom, one timer.</summary>
/// <remarks>
/// The lock comes before the pool's own: what is decided under it may change the pool, and the pool calls nobody who takes it.
/// </remarks>
internal abstract class PoolNote : IDisposable
{
    private PoolSnapshot? _seen;
    private Pool? _pool;
    private ITimer? _timer;
    private bool _ended;

    protected Lock Deciding { get; } = new();

    /// <summary>The pool; only after <see cref="TakeUp()"/>.</summary>
    protected Pool Pool => _pool!;

    /// <summary>Whether the pool must be looked at again before what is known of its settings is used. One comparison where nothing has changed.</summary>
    public bool IsStale(Pool pool) => !ReferenceEquals(Volatile.Read(ref _seen), pool.Snapshot);

    /// <summary>Takes up the pool as it is now.</summary>
    public void TakeUp(Pool pool)
    {
        lock (Deciding)
        {
            _pool ??= pool;
            TakeUp();
        }
    }

    public void Dispose()
    {
        lock (Deciding)
        {
            _ended = true;
            _timer?.Dispose();
        }
    }

    /// <summary>The same, under the lock.</summary>
    protected void TakeUp()
    {
        // What is taken up may change the pool, and then it is looked at again.
        for (var snapshot = Pool.Snapshot; !ReferenceEquals(snapshot, _seen) && !_ended; snapshot = Pool.Snapshot)
        {
            var watches = TakeUp(snapshot);
            Volatile.Write(ref _seen, snapshot);
            if (watches)
            {
                snapshot.Replaced.ContinueWith(static (_, note) => ((PoolNote)note!).TakeUpLater(), this, CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
            }
        }
    }

    /// <summary>Takes up what has changed.</summary>
    /// <returns>Whether the next change must be taken up without a request that brings it up.</returns>
    protected abstract bool TakeUp(PoolSnapshot snapshot);

    /// <summary>The time that was set has come.</summary>
    protected abstract void Tick();

    /// <summary>Sets the timer, in place of what was set before; null stops it.</summary>
    protected void WakeAfter(TimeSpan? delay)
    {
        if (_ended || (delay is null && _timer is null))
        {
            return;
        }

        _timer ??= Pool.Time.CreateTimer(static note => ((PoolNote)note!).Wake(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);

        // Timers count whole milliseconds and may be a little early; what is due is asked of the clock.
        var due = delay is { } wanted ? TimeSpan.FromMilliseconds(Math.Max(1, Math.Ceiling(wanted.TotalMilliseconds))) : Timeout.InfiniteTimeSpan;
        _timer.Change(due, Timeout.InfiniteTimeSpan);
    }

    private void Wake()
    {
        lock (Deciding)
        {
            if (!_ended)
            {
                TakeUp();
                Tick();
                TakeUp();
            }
        }
    }

    private void TakeUpLater()
    {
        lock (Deciding)
        {
            TakeUp();
        }
    }
}
