namespace ProxyKit;

/// <summary>A moving average of latency that believes bad news at once and forgets it slowly.</summary>
/// <remarks>
/// The peak EWMA of Finagle: a sample above the average replaces it; one below pulls it down by 1 - e^(-t/decay), t being the
/// time since the last sample.
/// </remarks>
public sealed class PeakLatency(TimeSpan decay, TimeSpan initial, TimeProvider time)
{
    private Sample _last = new(initial.TotalSeconds, time.GetTimestamp());

    /// <summary>The average now, in seconds. With no new samples it fades towards zero, so that a slow member is asked again some day.</summary>
    public double Seconds
    {
        get
        {
            var last = Volatile.Read(ref _last);
            return last.Seconds * Math.Exp(-time.GetElapsedTime(last.At).TotalSeconds / decay.TotalSeconds);
        }
    }

    /// <summary>Adds a sample. Only answers count: a failure comes fast and must not look like speed.</summary>
    public void Observe(TimeSpan latency)
    {
        while (true)
        {
            var last = Volatile.Read(ref _last);
            var now = time.GetTimestamp();
            var keep = Math.Exp(-time.GetElapsedTime(last.At, now).TotalSeconds / decay.TotalSeconds);
            var faded = last.Seconds * keep;
            var seconds = latency.TotalSeconds > last.Seconds ? latency.TotalSeconds : faded + (latency.TotalSeconds * (1 - keep));
            if (Interlocked.CompareExchange(ref _last, new Sample(seconds, now), last) == last)
            {
                return;
            }
        }
    }

    private sealed record Sample(double Seconds, long At);
}
