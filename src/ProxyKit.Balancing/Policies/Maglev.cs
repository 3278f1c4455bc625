namespace ProxyKit.Balancing;

/// <summary>Looks keys up in a table that members fill in turns: shares to within one entry, and a pick that costs the same at any size.</summary>
/// <remarks>
/// Eisenbud et al., "Maglev: A Fast and Reliable Software Network Load Balancer", 2016, §3.4; members of more weight take more turns.
/// Removing one of n members moves its keys and a few others, together at most 1/n + 1 % with the default table up to 100 members. The table is
/// the same whatever order the members come in, so gateways agree without talking. Preparing it takes some milliseconds.
/// </remarks>
public sealed class Maglev : IBalancingPolicy, IValidatable
{
    /// <summary>Entries of the table: a prime, and at least 100 for each member. The default is 65,537; the most is 5,000,011.</summary>
    public int TableSize { get; set; } = 65_537;

    /// <inheritdoc/>
    public IPicker Prepare(PoolSnapshot snapshot)
    {
        ArgumentNullException.ThrowIfNull(snapshot);
        var fallback = new RendezvousTable(snapshot.Available);
        return new Picker(fallback, Fill(fallback.Members, TableSize));
    }

    /// <inheritdoc/>
    public IEnumerable<string> Faults()
    {
        if (TableSize is < 3 or > 5_000_011 || !IsPrime(TableSize))
        {
            yield return $"{nameof(TableSize)} is {TableSize}; it must be a prime from 3 to 5000011, such as 65537.";
        }
    }

    /// <summary>The table: for each entry, which member has it. Members must come in an order that all gateways share.</summary>
    internal static int[] Fill(ReadOnlySpan<Member> members, int size)
    {
        var table = new int[size];
        if (members.Length == 0)
        {
            return table;
        }

        Array.Fill(table, -1);
        var (next, skip, taken, heaviest) = (new long[members.Length], new long[members.Length], new int[members.Length], 0.0);
        for (var i = 0; i < members.Length; i++)
        {
            next[i] = (long)(members[i].Hash % (ulong)size);
            skip[i] = (long)(WeightedDraw.Mix(members[i].Hash) % (ulong)(size - 1)) + 1;
            heaviest = Math.Max(heaviest, members[i].Weight);
        }

        var filled = 0;
        for (var round = 1; ; round++)
        {
            for (var i = 0; i < members.Length; i++)
            {
                if (taken[i] >= round * (members[i].Weight / heaviest))
                {
                    continue;
                }

                while (table[next[i]] >= 0)
                {
                    next[i] += skip[i];
                    next[i] -= next[i] >= size ? size : 0;
                }

                table[next[i]] = i;
                taken[i]++;
                if (++filled == size)
                {
                    return table;
                }
            }
        }
    }

    private static bool IsPrime(int number)
    {
        for (var divisor = 2L; divisor * divisor <= number; divisor++)
        {
            if (number % divisor == 0)
            {
                return false;
            }
        }

        return number > 1;
    }

    private sealed class Picker(RendezvousTable fallback, int[] table) : IPicker
    {
        public Member? Pick(in PickRequest request)
        {
            if (fallback.Members.Length == 0)
            {
                return null;
            }

            var key = request.Key ?? request.Random;
            var member = fallback.Members[table[Entry(key)]];
            return request.Allows(member) ? member : fallback.Pick(key, request);
        }

        public string Explain(in PickRequest request, Member picked) =>
            $"{(request.Key is null ? "no key, so a chance entry" : "the key's entry")} {Entry(request.Key ?? request.Random)} of {table.Length}";

        private int Entry(ulong key) => (int)Math.BigMul(WeightedDraw.Mix(key), (ulong)table.Length, out _);
    }
}
