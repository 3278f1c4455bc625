namespace ProxyKit.Balancing;

/// <summary>Asks all members and takes the one with the least load for its weight; ties are drawn by weight.</summary>
/// <remarks>
/// The best choice that one gateway alone can make, at a cost that grows with the pool. Where several gateways share a pool they
/// all find the same idle member at once and rush to it; <see cref="PowerOfTwo"/> does not. Load counts failures, see <see cref="Member.Load"/>.
/// </remarks>
public sealed class LeastRequests : IBalancingPolicy
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
            Member? best = null;
            var (least, tied, random) = (double.PositiveInfinity, 0.0, request.Random);
            foreach (var member in members)
            {
                var load = member.Load / member.Weight;
                if (load > least || !request.Allows(member))
                {
                    continue;
                }

                if (load < least)
                {
                    (best, least, tied) = (member, load, member.Weight);
                    continue;
                }

                // Each of those tied so far stays with the chance of its weight among them (Chao, 1982).
                tied += member.Weight;
                random = WeightedDraw.Mix(random);
                best = Chance.Unit(random) * tied < member.Weight ? member : best;
            }

            return best;
        }

        public string Explain(in PickRequest request, Member picked) => $"least load of {members.Length}: {picked.Load:0.##} at weight {picked.Weight:0.##}";
    }
}
