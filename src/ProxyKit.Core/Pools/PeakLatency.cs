namespace ProxyKit;

/// <summary>A moving average of latency that believes bad news at once and forgets it slowly.</summary>
/// <remarks>
/// The peak EWMA of Finagle: a sample above the average replaces it; one below pulls it down by 1 - e^(-t/decay), t being the
/// time since the last sample.
/// </remarks>
public sealed class PeakLatency
{
    // Never 0: a cost that is a product with it would no longer see how busy members are, once a pool has idled for hours.
    private const double Least = 1e-6;

    private readonly TimeSpan _decay;
    private readonly TimeProvider _time;
    private Sample _last;

    /// <summary>An average with no sample yet.</summary>
    /// <param name="decay">How slowly it forgets: after that time, what it knew counts for 1/e. More than 0.</param>
    /// <param name="initial">What it starts from.</param>
    /// <param name="time">Its clock.</param>
    public PeakLatency(TimeSpan decay, TimeSpan initial, TimeProvider time)
    {
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(decay, TimeSpan.Zero);
        ArgumentNullException.ThrowIfNull(time);
        (_decay, _time) = (decay, time);
        _last = new(initial.TotalSeconds, time.GetTimestamp());
    }

    /// <summary>The average now, in seconds. With no new samples it fades towards a microsecond, so that a slow member is asked again some day.</summary>
    public double Seconds
    {
        get
        {
            var last = Volatile.Read(ref _last);
            return Math.Max(Least, last.Seconds * Keep(last, _time.GetTimestamp()));
        }
    }

    /// <summary>Adds a sample. Only answers count: a failure comes fast and must not look like speed.</summary>
    public void Observe(TimeSpan latency) => Add(latency.TotalSeconds, mayLower: true);

    /// <summary>Adds a sample that is known to be too low, such as the wait for an answer that never came: it may raise the average, never lower it.</summary>
    public void Raise(TimeSpan latency) => Add(latency.TotalSeconds, mayLower: false);

    private void Add(double latency, bool mayLower)
    {
        while (true)
        {
            var last = Volatile.Read(ref _last);
            var now = _time.GetTimestamp();
            var keep = Keep(last, now);
            var faded = last.Seconds * keep;
            if (!mayLower && latency <= faded)
            {
                return;
            }

            var seconds = !mayLower || latency > last.Seconds ? latency : faded + (latency * (1 - keep));
            if (Interlocked.CompareExchange(ref _last, new Sample(seconds, now), last) == last)
            {
                return;
            }
        }
    }

    // Another thread's sample may be newer than this thread's clock reading; time does not run backwards for that.
    private double Keep(Sample last, long now) => Math.Exp(-Math.Max(0, _time.GetElapsedTime(last.At, now) / _decay));

    private sealed record Sample(double Seconds, long At);
}
