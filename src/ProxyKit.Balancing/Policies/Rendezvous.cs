namespace ProxyKit.Balancing;

/// <summary>Sends each key to the member that it likes best: the hash policy to take unless there is a reason for another.</summary>
/// <remarks>
/// Weighted rendezvous hashing (highest random weight; Thaler and Ravishankar, 1998). Removing a member moves its keys alone, and to all the
/// others; raising a weight moves keys only to that member. The shares are exact and nothing is built, at a cost that grows with the
/// pool: from some hundred members on, <see cref="Maglev"/> is faster. Requests without a key are spread by chance.
/// </remarks>
public sealed class Rendezvous : IBalancingPolicy
{
    /// <inheritdoc/>
    public IPicker Prepare(PoolSnapshot snapshot)
    {
        ArgumentNullException.ThrowIfNull(snapshot);
        return new Picker(new RendezvousTable(snapshot.Available));
    }

    private sealed class Picker(RendezvousTable table) : IPicker
    {
        public Member? Pick(in PickRequest request) => table.Pick(request.Key ?? request.Random, request);

        public string Explain(in PickRequest request, Member picked) =>
            request.Key is { } key ? $"key {key:x16} ranks it first of those that could serve" : "no key, so by chance";
    }
}
