using System.Runtime.InteropServices;

namespace ProxyKit.Health;

/// <summary>What is counted of a member, and whether it is out. Counted by any thread; all else changes under the watch's lock.</summary>
internal sealed class Tally
{
    private Counts _counts;
    private volatile Place _place;

    /// <summary>Whether it is out.</summary>
    public Place Place
    {
        get => _place;
        set => _place = value;
    }

    /// <summary>How often it was out, less one for each interval without fault.</summary>
    public int Ejections;

    /// <summary>Out: when it ends. On trial: when it is taken back unasked. A timestamp of the pool's clock.</summary>
    public long Until;

    /// <summary>Requests that were picked before say nothing of it any more: when its trial began, or when it came back.</summary>
    public long CountsFrom = long.MinValue;

    /// <summary>Whether a probe has found it down since it is out.</summary>
    public bool IsDoubtedByProbe;

    /// <summary>How long its answers take; null where nobody asks.</summary>
    public Latencies? Latencies;

    private long _endedBefore;
    private long _failedBefore;

    public void Fine(TimeSpan elapsed)
    {
        var ended = Interlocked.Increment(ref _counts.Ended);
        if ((_counts.ConnectFailures | _counts.GatewayErrors | _counts.ServerErrors) != 0)
        {
            (_counts.Interrupted, _counts.InterruptedAt) = (_counts.GatewayErrors, ended);
            (_counts.ConnectFailures, _counts.GatewayErrors, _counts.ServerErrors) = (0, 0, 0);
        }

        Latencies?.Add(elapsed);
    }

    /// <summary>Counts a failure: each once, though several end at the same time.</summary>
    /// <param name="signal">The failure.</param>
    /// <param name="isAnswer">Whether it has a status.</param>
    /// <param name="options">What is too many.</param>
    /// <returns>What there are too many of, and how many; null where there are not.</returns>
    public (OutlierKind Kind, int Count)? Failed(Signal signal, bool isAnswer, OutlierOptions options)
    {
        Interlocked.Increment(ref _counts.Failed);
        if (signal != Signal.BodyBroken)
        {
            Interlocked.Increment(ref _counts.Ended); // the answer whose body broke was counted when it began
        }

        if (signal == Signal.NotConnected)
        {
            return Reached(Interlocked.Increment(ref _counts.ConnectFailures), options.ConsecutiveConnectFailures, OutlierKind.ConnectFailures);
        }

        _counts.ConnectFailures = 0;
        var server = isAnswer ? Reached(Interlocked.Increment(ref _counts.ServerErrors), options.ConsecutiveServerErrors, OutlierKind.ServerErrors) : null;
        if (signal == Signal.BodyBroken && Volatile.Read(ref _counts.Ended) == _counts.InterruptedAt)
        {
            // Its own head ended the row, wrongly as it turns out. Otherwise a member whose every body breaks would never have two in a row.
            _counts.GatewayErrors = Math.Max(_counts.GatewayErrors, _counts.Interrupted);
        }

        return signal == Signal.ServerError
            ? server
            : Reached(Interlocked.Increment(ref _counts.GatewayErrors), options.ConsecutiveGatewayErrors, OutlierKind.GatewayErrors) ?? server;

        static (OutlierKind, int)? Reached(int count, int most, OutlierKind kind) => most > 0 && count >= most ? (kind, count) : null;
    }

    /// <summary>What ended since the last time.</summary>
    public Window TakeWindow()
    {
        var (failed, ended) = (Volatile.Read(ref _counts.Failed), Volatile.Read(ref _counts.Ended));
        var window = new Window(ended - _endedBefore, Math.Min(failed - _failedBefore, ended - _endedBefore), Latencies?.TakeMedian() ?? TimeSpan.Zero);
        (_endedBefore, _failedBefore) = (ended, failed);
        return window;
    }

    /// <summary>It is in again, and what was counted before is forgotten.</summary>
    public void ComeBack(long now)
    {
        (_counts.ConnectFailures, _counts.GatewayErrors, _counts.ServerErrors) = (0, 0, 0);
        TakeWindow();
        (CountsFrom, IsDoubtedByProbe) = (now, false);
        Place = Place.In;
    }

    // On lines of their own, so that members' counts do not slow each other down.
    [StructLayout(LayoutKind.Explicit, Size = 192)]
    private struct Counts
    {
        [FieldOffset(64)]
        public long Ended;
        [FieldOffset(72)]
        public long Failed;
        [FieldOffset(80)]
        public int ConnectFailures; // in a row, as the next two
        [FieldOffset(84)]
        public int GatewayErrors;
        [FieldOffset(88)]
        public int ServerErrors;
        [FieldOffset(92)]
        public int Interrupted; // the gateway errors that the last answer put an end to
        [FieldOffset(96)]
        public long InterruptedAt;
    }
}

/// <summary>Whether a member is out.</summary>
internal enum Place
{
    /// <summary>It serves.</summary>
    In,

    /// <summary>It is out until its time is over.</summary>
    Out,

    /// <summary>It gets one request at a time, the first of which decides.</summary>
    OnTrial,
}

/// <summary>What a member ended in an interval.</summary>
/// <param name="Volume">Requests.</param>
/// <param name="Failures">Those of them that failed.</param>
/// <param name="Median">The median latency of those that did not; 0 where it was not measured.</param>
internal readonly record struct Window(long Volume, long Failures, TimeSpan Median)
{
    public double FailureShare => Volume == 0 ? 0 : (double)Failures / Volume;
}

/// <summary>What a member is out for.</summary>
internal enum OutlierKind
{
    ConnectFailures,
    GatewayErrors,
    ServerErrors,
    FailureShare,
    FailureExcess,
    SuccessRate,
    Latency,
    Trial,
}
