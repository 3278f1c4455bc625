namespace ProxyKit.Forwarding;

/// <summary>Finds the busiest keys of a stream in a fixed space.</summary>
/// <remarks>
/// Metwally, Agrawal, El Abbadi, "Efficient Computation of Frequent and Top-k Elements in Data Streams", 2005 (space-saving): a key without a
/// counter takes over the smallest one and counts on from there. What a counter took over is known, so the share is never told too high.
/// Counts are halved from time to time, so that the share is that of late.
/// </remarks>
internal sealed class TopKeys
{
    private const int Counters = 64;
    private const int Window = 16_384; // requests after which counts are halved

    private readonly Lock _counting = new();
    private readonly ulong[] _keys = new ulong[Counters];
    private readonly int[] _counts = new int[Counters];
    private readonly int[] _excess = new int[Counters];
    private int _used;
    private int _total;

    /// <summary>Requests that count now.</summary>
    public int Total => Volatile.Read(ref _total);

    /// <summary>The share of the busiest key, 0 to 1, at the least; 0 where there were no requests.</summary>
    public double TopShare
    {
        get
        {
            lock (_counting)
            {
                var top = 0;
                for (var i = 0; i < _used; i++)
                {
                    top = Math.Max(top, _counts[i] - _excess[i]);
                }

                return _total == 0 ? 0 : (double)top / _total;
            }
        }
    }

    /// <summary>Counts a request; passed over where another thread is counting, which changes no share.</summary>
    public void Observe(ulong key)
    {
        if (!_counting.TryEnter())
        {
            return;
        }

        try
        {
            var at = _keys.AsSpan(0, _used).IndexOf(key);
            if (at < 0)
            {
                at = Take(key);
            }

            _counts[at]++;
            if (++_total == Window)
            {
                Halve();
            }
        }
        finally
        {
            _counting.Exit();
        }
    }

    private int Take(ulong key)
    {
        if (_used < Counters)
        {
            _keys[_used] = key;
            return _used++;
        }

        var least = 0;
        for (var i = 1; i < Counters; i++)
        {
            least = _counts[i] < _counts[least] ? i : least;
        }

        (_keys[least], _excess[least]) = (key, _counts[least]);
        return least;
    }

    private void Halve()
    {
        for (var i = 0; i < _used; i++)
        {
            (_counts[i], _excess[i]) = (_counts[i] / 2, (_excess[i] + 1) / 2); // rounded so that no share grows
        }

        _total /= 2;
    }
}
