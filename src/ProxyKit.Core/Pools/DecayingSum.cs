namespace ProxyKit;

/// <summary>A sum whose parts fade: what was added a time constant ago counts for 1/e.</summary>
internal sealed class DecayingSum(TimeSpan timeConstant)
{
    private const double Negligible = 0.01;

    private readonly Lock _adding = new();
    private Entry? _entry;

    /// <summary>The sum as it stands now; 0 once too little is left to matter.</summary>
    public double Value(TimeProvider time)
    {
        var entry = Volatile.Read(ref _entry);
        if (entry is null)
        {
            return 0; // the common case reads no clock
        }

        var value = Decayed(entry, time);
        if (value < Negligible)
        {
            Interlocked.CompareExchange(ref _entry, null, entry);
            return 0;
        }

        return value;
    }

    /// <summary>Adds to it. Only failures do, so a lock is cheap enough.</summary>
    public void Add(double amount, TimeProvider time)
    {
        lock (_adding)
        {
            var entry = Volatile.Read(ref _entry);
            Volatile.Write(ref _entry, new Entry((entry is null ? 0 : Decayed(entry, time)) + amount, time.GetTimestamp()));
        }
    }

    /// <summary>Begins anew.</summary>
    public void Clear()
    {
        lock (_adding)
        {
            Volatile.Write(ref _entry, null);
        }
    }

    private double Decayed(Entry entry, TimeProvider time) =>
        entry.Value * Math.Exp(-time.GetElapsedTime(entry.At).TotalSeconds / timeConstant.TotalSeconds);

    private sealed record Entry(double Value, long At);
}
