namespace ProxyKit.Forwarding;

/// <summary>Keeps retries a small share of the traffic, so that a pool in trouble is not asked several times over.</summary>
/// <remarks>
/// Over the last 10 s, retries may be at most share × requests + perSecond × 10, as in Finagle and Linkerd. A fixed number of attempts
/// alone would triple the load just when there is too much of it.
/// </remarks>
internal sealed class RetryBudget(double share, double perSecond, TimeProvider time)
{
    private const int Seconds = 10;

    private readonly Lock _rolling = new();
    private readonly Slot[] _slots = [.. Enumerable.Range(0, Seconds + 1).Select(_ => new Slot())];

    /// <summary>Counts a request, at <paramref name="timestamp"/>.</summary>
    public void Deposit(long timestamp) => Interlocked.Increment(ref At(timestamp).Requests);

    /// <summary>Takes one retry out of the budget; false where there is none left.</summary>
    public bool TryWithdraw()
    {
        var now = time.GetTimestamp();
        var second = Second(now);
        var slot = At(now);
        lock (_rolling)
        {
            double requests = 0;
            double retries = 0;
            foreach (var other in _slots)
            {
                // Retries of the second that is only half out of the window count, requests of it do not: so the bound holds for
                // every 10 s, not only for those that begin with a second.
                if (other.Second >= second - Seconds && other.Second <= second)
                {
                    retries += other.Retries;
                    requests += other.Second > second - Seconds ? Volatile.Read(ref other.Requests) : 0;
                }
            }

            if (retries + 1 > (share * requests) + (perSecond * Seconds))
            {
                return false;
            }

            slot.Retries++;
            return true;
        }
    }

    private long Second(long timestamp) => timestamp / time.TimestampFrequency;

    private Slot At(long timestamp)
    {
        var second = Second(timestamp);
        var slot = _slots[(int)(second % _slots.Length)];
        if (Volatile.Read(ref slot.Second) != second)
        {
            lock (_rolling)
            {
                if (slot.Second < second)
                {
                    (slot.Requests, slot.Retries) = (0, 0);
                    Volatile.Write(ref slot.Second, second);
                }
            }
        }

        return slot;
    }

    private sealed class Slot
    {
        public long Second = long.MinValue;
        public long Requests;
        public long Retries;
    }
}
