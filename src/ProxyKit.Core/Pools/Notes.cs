namespace ProxyKit;

/// <summary>What packages keep about a member or a pool, by type, for as long as it lives. Reading takes no lock and allocates nothing.</summary>
public sealed class Notes
{
    private object[] _kept = [];

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
                return made;
            }
        }
    }
}
