using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;

using Microsoft.Extensions.ObjectPool;

namespace ProxyKit.Forwarding;

/// <summary>
/// Ends one attempt: when a limit is reached, when the client leaves, or when it is told to. It is used again and again, and its
/// timer is lazy: moving the deadline forward only writes a number, which the timer finds when it rings.
/// </summary>
[SuppressMessage("Reliability", "CA1001", Justification = "It lives in a pool, which disposes of what it does not keep.")]
internal sealed class Deadline
{
    /// <summary>A timestamp that never comes.</summary>
    public const long Never = long.MaxValue;

    private readonly Lock _lock = new();
    private readonly TimeProvider _time;
    private readonly ITimer _timer;
    private readonly CancellationTokenSource _source = new();
    private CancellationTokenRegistration _client;
    private long _due = Never;
    private long _total = Never;
    private long _rings = Never;
    private TimeoutKind _kind;
    private bool _begun;

    private Deadline(TimeProvider time)
    {
        _time = time;
        using (ExecutionContext.SuppressFlow())
        {
            _timer = time.CreateTimer(static state => ((Deadline)state!).Ring(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        }
    }

    /// <summary>Cancelled at the end.</summary>
    public CancellationToken Token => _source.Token;

    /// <summary>The limit that was reached; none where something else ended it, or nothing did.</summary>
    public TimeoutKind Reached { get; private set; }

    /// <summary>Whether the client left.</summary>
    public bool ClientLeft { get; private set; }

    /// <summary>Whether the gateway itself ended it, because it is about to be gone.</summary>
    public bool IsOver { get; private set; }

    /// <summary>Whether it goes on when the gateway ends what still runs: a tunnel, which has a farewell to say.</summary>
    public bool Outlasts { get; set; }

    /// <summary>When <paramref name="span"/> after <paramref name="from"/> is, as a timestamp; never for zero.</summary>
    public static long After(TimeProvider time, long from, TimeSpan span) =>
        span <= TimeSpan.Zero ? Never : from + (long)(span.TotalSeconds * time.TimestampFrequency);

    /// <summary>Begins an attempt that ends with <paramref name="client"/>, and at <paramref name="total"/> at the latest.</summary>
    public void Begin(long total, CancellationToken client)
    {
        (_total, _begun) = (total, true);
        _client = client.UnsafeRegister(static state => ((Deadline)state!).Leave(), this);
    }

    /// <summary>Puts the deadline <paramref name="limit"/> from now, in place of the one before; zero lifts it. The total stays.</summary>
    public void Set(TimeoutKind kind, TimeSpan limit)
    {
        var due = After(_time, _time.GetTimestamp(), limit);
        _kind = kind;
        Volatile.Write(ref _due, due);
        var next = Math.Min(due, _total);
        if (next < Volatile.Read(ref _rings))
        {
            Arm(next);
        }
    }

    /// <summary>Ends the attempt for no fault of its own.</summary>
    public void Cancel() => _source.Cancel();

    // Whether there was anything to end. What waits in the pool is ended as well: whoever takes it from there comes too late.
    private bool End()
    {
        lock (_lock)
        {
            if (Outlasts || _source.IsCancellationRequested)
            {
                return false;
            }

            IsOver = true;
            _source.Cancel();
            return _begun;
        }
    }

    private void Leave()
    {
        ClientLeft = true;
        _source.Cancel();
    }

    private void Arm(long next)
    {
        lock (_lock)
        {
            Volatile.Write(ref _rings, next);
            var wait = _time.GetElapsedTime(_time.GetTimestamp(), next);
            _timer.Change(wait > TimeSpan.Zero ? wait + TimeSpan.FromMilliseconds(1) : TimeSpan.Zero, Timeout.InfiniteTimeSpan);
        }
    }

    // Under the lock, so that what was given back in the meantime is not cancelled for its next user.
    private void Ring()
    {
        lock (_lock)
        {
            Volatile.Write(ref _rings, Never);

            // Set writes when it is due and then reads when the timer rings; this is the other half. One of the two must see the other,
            // and the fence stands here, where it is rare: after it, whoever is in Set has either been seen or sees that nothing rings.
            Interlocked.MemoryBarrierProcessWide();
            var (due, total) = (Volatile.Read(ref _due), _total);
            var next = Math.Min(due, total);
            if (next == Never)
            {
                return;
            }

            if (_time.GetTimestamp() < next)
            {
                Arm(next);
                return;
            }

            Reached = total <= due ? TimeoutKind.Total : _kind;
            _source.Cancel();
        }
    }

    private bool TryReset()
    {
        _client.Dispose(); // waits for a callback that runs now
        _client = default;
        lock (_lock)
        {
            (_due, _total, _kind, _begun, Outlasts) = (Never, Never, TimeoutKind.None, false, false);
            if (_source.TryReset())
            {
                return true;
            }

            _timer.Dispose();
            _source.Dispose();
            return false;
        }
    }

    /// <summary>Where deadlines come from and go back to. Nothing of an attempt may use its token once it was returned.</summary>
    public sealed class Source(TimeProvider time) : IPooledObjectPolicy<Deadline>
    {
        // Every one that lives, pooled or in use. They are made rarely, so that no request pays for its being found here.
        private readonly ConditionalWeakTable<Deadline, object?> _all = [];
        private volatile bool _isOver;

        /// <inheritdoc/>
        public Deadline Create()
        {
            var made = new Deadline(time);
            _all.Add(made, null);
            if (_isOver)
            {
                made.End();
            }

            return made;
        }

        /// <inheritdoc/>
        public bool Return(Deadline deadline) => deadline.TryReset();

        /// <summary>Ends every attempt that runs, and any to come.</summary>
        /// <returns>How many ran.</returns>
        public int End()
        {
            _isOver = true;
            return _all.Count(entry => entry.Key.End());
        }
    }
}
