namespace ProxyKit.Forwarding;

/// <summary>A high percentile of recent latencies: a histogram in steps of a tenth whose counts fade, read without a lock.</summary>
internal sealed class LatencyPercentile(double share)
{
    private const double First = 0.001; // seconds
    private const double Step = 1.1;
    private const int Buckets = 140; // up to some 600 s
    private const int FadeAfter = 2048;

    private readonly int[] _counts = new int[Buckets];
    private int _total;

    /// <summary>Counts one answer.</summary>
    public void Observe(TimeSpan latency)
    {
        var bucket = latency.TotalSeconds <= First ? 0 : (int)Math.Min(Buckets - 1, Math.Log(latency.TotalSeconds / First) / Math.Log(Step));
        Interlocked.Increment(ref _counts[bucket]);
        if (Interlocked.Increment(ref _total) >= FadeAfter)
        {
            Fade();
        }
    }

    /// <summary>The percentile, to the upper end of its step; null while too few answers were seen to tell.</summary>
    public TimeSpan? Value
    {
        get
        {
            var total = Volatile.Read(ref _total);
            if (total < 20)
            {
                return null;
            }

            var left = total * (1 - share);
            for (var bucket = Buckets - 1; bucket >= 0; bucket--)
            {
                left -= Volatile.Read(ref _counts[bucket]);
                if (left < 0)
                {
                    return TimeSpan.FromSeconds(First * Math.Pow(Step, bucket + 1));
                }
            }

            return null;
        }
    }

    // Halves all counts, so that old latencies weigh less and less. A count lost to a race does not matter.
    private void Fade()
    {
        var total = 0;
        for (var bucket = 0; bucket < Buckets; bucket++)
        {
            var half = Volatile.Read(ref _counts[bucket]) / 2;
            Volatile.Write(ref _counts[bucket], half);
            total += half;
        }

        Volatile.Write(ref _total, total);
    }
}
