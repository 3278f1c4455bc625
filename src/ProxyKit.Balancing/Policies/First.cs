namespace ProxyKit.Balancing;

/// <summary>The first member of the list that can serve; the others stand by. For a primary with spares.</summary>
public sealed class First : IBalancingPolicy
{
    /// <inheritdoc/>
    public IPicker Prepare(PoolSnapshot snapshot)
    {
        ArgumentNullException.ThrowIfNull(snapshot);
        return new Picker([.. snapshot.Available]);
    }

    private sealed class Picker(Member[] members) : IPicker
    {
        public Member? Pick(in PickRequest request)
        {
            foreach (var member in members)
            {
                if (request.Allows(member))
                {
                    return member;
                }
            }

            return null;
        }

        public string Explain(in PickRequest request, Member picked) => $"number {Array.IndexOf(members, picked) + 1} of {members.Length} in order";
    }
}
