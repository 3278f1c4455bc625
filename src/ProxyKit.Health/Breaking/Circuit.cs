using System.Runtime.InteropServices;

using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace ProxyKit.Health;

/// <summary>How a circuit stands.</summary>
internal enum CircuitState
{
    /// <summary>All requests pass.</summary>
    Closed,

    /// <summary>None does.</summary>
    Open,

    /// <summary>More of them do with time, for as long as they end well.</summary>
    Recovering,
}

/// <summary>The circuit breaker of one pool: what it has counted, and how it stands.</summary>
internal sealed class Circuit : PoolNote
{
    private readonly Part[] _parts = [.. Enumerable.Range(0, CircuitRules.Parts).Select(_ => new Part())];
    private CircuitBreakerOptions? _options;
    private Part _part; // the newest of the window; while it recovers, what counts then
    private int _newest;
    private int _state;
    private int _inRow;
    private long _since; // of the state, or of the newest part

    public Circuit() => _part = _parts[0];

    /// <summary>How the pool is watched; null where it is not.</summary>
    public CircuitBreakerOptions? Options => Volatile.Read(ref _options);

    public CircuitState State => (CircuitState)Volatile.Read(ref _state);

    public HealthMetrics? Metrics { get; set; }

    public ILogger Logger { get; set; } = NullLogger.Instance;

    public void Count(in Outcome outcome, Signal signal)
    {
        if (signal == Signal.Fine && State == CircuitState.Closed)
        {
            Interlocked.Increment(ref Volatile.Read(ref _part).Ended);
            if (_inRow != 0)
            {
                _inRow = 0;
            }

            return;
        }

        CountRare(outcome, signal);
    }

    protected override bool TakeUp(PoolSnapshot snapshot)
    {
        var (before, options) = (_options, snapshot.Settings.Get<CircuitBreakerOptions>());
        Volatile.Write(ref _options, options);
        if (options is null)
        {
            if (State != CircuitState.Closed)
            {
                Close();
            }

            WakeAfter(null);
            return false;
        }

        if (before != options)
        {
            if (State == CircuitState.Closed)
            {
                Close(); // from now on, and by the new times
            }
            else
            {
                WakeInTime();
            }
        }

        return State != CircuitState.Closed;
    }

    protected override void Tick()
    {
        if (_options is not { } options)
        {
            return;
        }

        var age = Pool.Time.GetElapsedTime(_since);
        switch (State)
        {
            case CircuitState.Open when age >= options.OpenTime:
                Become(CircuitState.Recovering);
                Pool.SetAdmission(CircuitRules.Admission(options, TimeSpan.Zero));
                Log.CircuitRecovering(Logger, Pool.Name, options.RecoverTime);
                break;
            case CircuitState.Recovering when CircuitRules.Admission(options, age) is var share:
                if (share >= 1)
                {
                    Close();
                }
                else
                {
                    Pool.SetAdmission(Math.Max(share, Pool.Snapshot.Admission)); // options that change meanwhile do not take back what it has
                }

                break;
            case CircuitState.Closed:
                // Whole parts that have passed are empty ones.
                for (var passed = (int)Math.Min(CircuitRules.Parts, age / (options.Window / CircuitRules.Parts)); passed > 0; passed--)
                {
                    _newest = (_newest + 1) % CircuitRules.Parts;
                    _parts[_newest].Clear();
                    Volatile.Write(ref _part, _parts[_newest]);
                    _since = Pool.Time.GetTimestamp();
                }

                break;
            default:
                break;
        }

        WakeInTime();
    }

    // A failure, or anything while it is not closed.
    private void CountRare(in Outcome outcome, Signal signal)
    {
        lock (Deciding)
        {
            if (_options is not { } options || State == CircuitState.Open)
            {
                return;
            }

            // While it recovers only what was let through since then counts; what was on its way before is no news.
            var recovers = State == CircuitState.Recovering;
            if (recovers && Pool.Time.GetElapsedTime(_since) < outcome.Elapsed)
            {
                return;
            }

            if (signal != Signal.BodyBroken)
            {
                Interlocked.Increment(ref _part.Ended); // the answer whose body broke was counted when it began
            }

            if (signal == Signal.Fine)
            {
                _inRow = 0;
                return;
            }

            _part.Failed++;
            _inRow++;
            var (volume, failures) = recovers ? (_part.Ended, _part.Failed) : (_parts.Sum(part => Volatile.Read(ref part.Ended)), _parts.Sum(part => part.Failed));
            failures = Math.Min(failures, volume);
            if (CircuitRules.WhyOpen(options, recovers, volume, failures, _inRow) is { } reason)
            {
                Open(options, reason);
            }
        }
    }

    private void Open(CircuitBreakerOptions options, string reason)
    {
        Become(CircuitState.Open);
        Pool.SetAdmission(0);
        Log.CircuitOpened(Logger, Pool.Name, options.OpenTime, reason);
        WakeInTime();
        TakeUp();
    }

    private void Close()
    {
        if (State != CircuitState.Closed)
        {
            Become(CircuitState.Closed);
            Pool.SetAdmission(1);
            Log.CircuitClosed(Logger, Pool.Name);
        }
        else
        {
            Forget();
        }

        WakeInTime();
    }

    private void Become(CircuitState state)
    {
        Volatile.Write(ref _state, (int)state);
        Forget();
        Metrics?.Became(Pool.Name, state);
    }

    private void Forget()
    {
        foreach (var part in _parts)
        {
            part.Clear();
        }

        (_inRow, _since) = (0, Pool.Time.GetTimestamp());
    }

    private void WakeInTime()
    {
        if (_options is { } options)
        {
            WakeAfter(State switch
            {
                CircuitState.Open => options.OpenTime - Pool.Time.GetElapsedTime(_since),
                CircuitState.Recovering => options.RecoverTime / CircuitRules.Steps,
                _ => options.Window / CircuitRules.Parts,
            });
        }
    }

    /// <summary>A part of the window, on lines of its own.</summary>
    private sealed class Part
    {
        private Counts _counts;

        public ref long Ended => ref _counts.Ended;

        public ref long Failed => ref _counts.Failed;

        public void Clear()
        {
            Volatile.Write(ref _counts.Ended, 0);
            _counts.Failed = 0;
        }

        [StructLayout(LayoutKind.Explicit, Size = 192)]
        private struct Counts
        {
            [FieldOffset(64)]
            public long Ended;
            [FieldOffset(72)]
            public long Failed;
        }
    }
}
