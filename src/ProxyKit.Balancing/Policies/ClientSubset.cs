namespace ProxyKit.Balancing;

/// <summary>Lets each of many clients use only some members, so that not every client holds connections to every member.</summary>
/// <remarks>
/// <para>
/// Clients that know which of how many they are (<see cref="Index"/>, <see cref="Clients"/>) take a run of members from a circle in the
/// order of their hashes, each starting an equal step further: every member serves an equal number of clients to within two, and adding a member
/// changes one in a subset, or two where the circle closes. Finagle's deterministic aperture rests on the same idea.
/// </para>
/// <para>
/// Clients that have only an identity (<see cref="Client"/>) take the members that rank first for it by rendezvous hashing. Adding a member then
/// also changes at most one in each subset, but members serve as many clients as chance gives them: with c clients on average, about ±√c.
/// </para>
/// The subset is of those available, so that a member that fails is replaced. Where all of it are tried or full, the others serve.
/// </remarks>
public sealed class ClientSubset : IBalancingPolicy, IValidatable
{
    private readonly IBalancingPolicy _inner;

    /// <summary>Balances within the subset by <see cref="PowerOfTwo"/>.</summary>
    public ClientSubset()
        : this(new PowerOfTwo())
    {
    }

    /// <summary>Balances within the subset by <paramref name="inner"/>.</summary>
    public ClientSubset(IBalancingPolicy inner)
    {
        ArgumentNullException.ThrowIfNull(inner);
        _inner = inner;
    }

    /// <summary>How many members a client uses. The default is 20.</summary>
    public int Size { get; set; } = 20;

    /// <summary>What tells this client from the others. The default is the machine's name.</summary>
    public string Client { get; set; } = Environment.MachineName;

    /// <summary>Which client this is, from 0 to <see cref="Clients"/> - 1, as the ordinal of a Kubernetes StatefulSet; used where <see cref="Clients"/> is set.</summary>
    public int Index { get; set; }

    /// <summary>How many clients there are; 0, the default, goes by <see cref="Client"/>. For every member to be used, they times <see cref="Size"/> must be as many as the members.</summary>
    public int Clients { get; set; }

    /// <inheritdoc/>
    public IPicker Prepare(PoolSnapshot snapshot)
    {
        ArgumentNullException.ThrowIfNull(snapshot);
        if (snapshot.Available.Length <= Size)
        {
            return _inner.Prepare(snapshot);
        }

        var subset = Subset(snapshot.Available).ToHashSet();
        return new SplitPicker([
            ("the client's subset", 1, _inner.Prepare(snapshot.Where(subset.Contains))),
            ("the rest", 0, _inner.Prepare(snapshot.Where(member => !subset.Contains(member)))),
        ]);
    }

    /// <inheritdoc/>
    public IEnumerable<string> Faults()
    {
        if (Size < 1)
        {
            yield return $"{nameof(Size)} is {Size}; it must be 1 or more.";
        }

        if (Clients < 0)
        {
            yield return $"{nameof(Clients)} is {Clients}; it must be 0 (not known) or more.";
        }

        if (Index < 0 || (Clients > 0 && Index >= Clients))
        {
            yield return $"{nameof(Index)} is {Index}; it must be 0 to {nameof(Clients)} - 1, which is {Math.Max(0, Clients - 1)}.";
        }

        if (Clients == 0 && string.IsNullOrWhiteSpace(Client))
        {
            yield return $"{nameof(Client)} is empty and {nameof(Clients)} is 0; set one of them, so that clients take different subsets.";
        }

        foreach (var fault in Inner.Faults(_inner))
        {
            yield return fault;
        }
    }

    /// <summary>The members that this client uses of more than <see cref="Size"/>.</summary>
    internal IEnumerable<Member> Subset(IReadOnlyCollection<Member> members)
    {
        if (Clients == 0)
        {
            var client = Member.HashOf(Client);
            return members.OrderByDescending(member => WeightedDraw.Mix(client ^ member.Hash)).Take(Size);
        }

        var circle = members.OrderBy(member => member.Hash).ToList();
        var start = (int)((long)Index * circle.Count / Clients);
        return Enumerable.Range(start, Size).Select(i => circle[i % circle.Count]);
    }
}
