using System.Numerics;

namespace ProxyKit.Health;

/// <summary>Latencies counted by size, four steps to each doubling: a median that is at most a fifth off, for 512 bytes and one increment.</summary>
internal sealed class Latencies
{
    private const int Steps = 4; // to each doubling
    private const int Doublings = 32; // from a microsecond to over an hour
    private readonly int[] _counts = new int[Steps * Doublings];

    public void Add(TimeSpan latency)
    {
        var micros = (uint)Math.Clamp(latency.TotalMicroseconds, 1, uint.MaxValue);
        Interlocked.Increment(ref _counts[IndexOf(micros)]);
    }

    /// <summary>The median of what was added since the last time; 0 where nothing was.</summary>
    public TimeSpan TakeMedian()
    {
        var counts = new int[_counts.Length];
        var all = 0L;
        for (var i = 0; i < counts.Length; i++)
        {
            all += counts[i] = Interlocked.Exchange(ref _counts[i], 0);
        }

        var below = 0L;
        for (var i = 0; i < counts.Length; i++)
        {
            below += counts[i];
            if (below * 2 >= all && all > 0)
            {
                return TimeSpan.FromMicroseconds(LeastOf(i));
            }
        }

        return TimeSpan.Zero;
    }

    // The position of the highest bit, and the two bits below it.
    private static int IndexOf(uint micros)
    {
        var doubling = BitOperations.Log2(micros);
        var step = doubling >= 2 ? (int)((micros >> (doubling - 2)) & 3) : 0;
        return (doubling * Steps) + step;
    }

    private static double LeastOf(int index) => Math.Pow(2, index / Steps) * (1 + ((index % Steps) / (double)Steps));
}
