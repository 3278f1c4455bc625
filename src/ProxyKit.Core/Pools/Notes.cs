namespace ProxyKit;

/// <summary>What packages keep about a member or a pool, by type, for as long as it lives. Reading takes no lock and allocates nothing.</summary>
/// <remarks>A pool's notes that are <see cref="IDisposable"/> end with it; they must bear to be disposed twice.</remarks>
public sealed class Notes
{
    private object[] _kept = [];
    private int _ended;

    /// <summary>The note of that type, made when it is first asked for. All who ask get the same.</summary>
    public T Of<T>()
        where T : class, new()
    {
        while (true)
        {
            var kept = Volatile.Read(ref _kept);
            foreach (var note in kept)
            {
                if (note is T found)
                {
                    return found;
                }
            }

            var made = new T();
            if (Interlocked.CompareExchange(ref _kept, [.. kept, made], kept) == kept)
            {
                if (Volatile.Read(ref _ended) != 0)
                {
                    (made as IDisposable)?.Dispose(); // it came too late to be ended with the others
                }

                return made;
            }
        }
    }

    internal void End()
    {
        Interlocked.Exchange(ref _ended, 1);
        foreach (var note in Volatile.Read(ref _kept))
        {
            (note as IDisposable)?.Dispose();
        }
    }
}
