using System.Collections.Concurrent;

namespace ProxyKit.Forwarding;

/// <summary>Sessions in memory, never more than a bound; those unused for longest go first.</summary>
/// <remarks>
/// Two generations: when the young one is half of the bound, it becomes the old one, and what was in the old one and not used since is
/// forgotten at once. That needs no lock and no list through all entries, and forgets nothing that was among the last used half.
/// </remarks>
internal sealed class StickTable(int capacity, TimeSpan maxIdle, TimeProvider time) : IStickTable
{
    private readonly Lock _aging = new();
    private readonly int _half = Math.Max(1, capacity / 2);
    private Generations _generations = new(new(), new());
    private int _young;

    /// <summary>How many it holds.</summary>
    public int Count => _generations.Young.Count + _generations.Old.Count;

    public bool TryFind(UInt128 session, out ulong member)
    {
        var generations = Volatile.Read(ref _generations);
        var isYoung = generations.Young.TryGetValue(session, out var entry);
        if ((!isYoung && !generations.Old.TryGetValue(session, out entry)) || time.GetElapsedTime(entry.Used) > maxIdle)
        {
            member = 0;
            return false;
        }

        member = entry.Member;
        if (!isYoung || time.GetElapsedTime(entry.Used) > maxIdle / 16) // not written at each use: it would be the table's busiest place
        {
            Learn(session, member);
        }

        return true;
    }

    public void Learn(UInt128 session, ulong member)
    {
        var generations = Volatile.Read(ref _generations);
        var entry = new Entry(member, time.GetTimestamp());
        if (generations.Young.TryAdd(session, entry))
        {
            generations.Old.TryRemove(session, out _);
            if (Interlocked.Increment(ref _young) >= _half)
            {
                Age();
            }

            return;
        }

        generations.Young[session] = entry;
    }

    private void Age()
    {
        lock (_aging)
        {
            if (Volatile.Read(ref _young) >= _half)
            {
                Volatile.Write(ref _generations, new Generations(new(), _generations.Young));
                Volatile.Write(ref _young, 0);
            }
        }
    }

    private readonly record struct Entry(ulong Member, long Used);

    private sealed record Generations(ConcurrentDictionary<UInt128, Entry> Young, ConcurrentDictionary<UInt128, Entry> Old);
}
