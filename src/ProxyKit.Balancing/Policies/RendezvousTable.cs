namespace ProxyKit.Balancing;

/// <summary>Finds the member that a key likes best of all, or of those allowed: what <see cref="Rendezvous"/> is, and where other hash policies go on.</summary>
/// <remarks>
/// For each pair of key and member there is a number u in (0, 1), drawn by hash. The key goes where -ln(u)/weight is least, which gives each
/// member its share of keys by weight (Schindelhauer and Schomaker, "Weighted Distributed Hash Tables", 2005) and gives the keys of one that
/// is out to all the others in the same shares.
/// </remarks>
internal sealed class RendezvousTable
{
    private readonly Member[] _members;
    private readonly ulong[] _hashes;
    private readonly double[]? _perWeight; // 1/weight; null where all weights are equal

    public RendezvousTable(IEnumerable<Member> members)
    {
        // In the order of names, so that no tie depends on the order of the input.
        _members = [.. members.OrderBy(member => member.Destination.Name, StringComparer.Ordinal)];
        _hashes = [.. _members.Select(member => member.Hash)];
        _perWeight = Array.TrueForAll(_members, member => member.Weight == _members[0].Weight) ? null : [.. _members.Select(member => 1 / member.Weight)];
    }

    public ReadOnlySpan<Member> Members => _members;

    /// <summary>The member that the key goes to, or else the next that is allowed; null where none is.</summary>
    public Member? Pick(ulong key, in PickRequest request)
    {
        if (_members.Length == 0)
        {
            return null;
        }

        // Keys are scrambled before they meet a member: two that differ in a bit must not meet it alike.
        var scrambled = WeightedDraw.Mix(key);
        var best = _members[_perWeight is null ? Best(scrambled) : Best(scrambled, _perWeight)];
        return request.Allows(best) ? best : PickAllowed(scrambled, request);
    }

    /// <summary>How little a scrambled key likes a member: the least of all wins. Only the order means anything.</summary>
    public double Cost(ulong scrambled, int member)
    {
        var below = Chance.Unit(~WeightedDraw.Mix(scrambled ^ _hashes[member]));
        return _perWeight is null ? below : -Math.Log(1 - below) * _perWeight[member];
    }

    private Member? PickAllowed(ulong scrambled, in PickRequest request)
    {
        Member? best = null;
        var least = double.PositiveInfinity;
        for (var i = 0; i < _members.Length; i++)
        {
            if (request.Allows(_members[i]) && Cost(scrambled, i) is var cost && cost < least)
            {
                (best, least) = (_members[i], cost);
            }
        }

        return best;
    }

    // With equal weights the least -ln(u) is the greatest u, and whole numbers compare as well.
    private int Best(ulong scrambled)
    {
        var (best, greatest) = (0, 0UL);
        var hashes = _hashes;
        for (var i = 0; i < hashes.Length; i++)
        {
            var drawn = WeightedDraw.Mix(scrambled ^ hashes[i]);
            if (drawn > greatest)
            {
                (best, greatest) = (i, drawn);
            }
        }

        return best;
    }

    // 1 - u never exceeds -ln(u), and is close to it where u is near 1, as a winner's is. Who loses by that bound needs no logarithm,
    // so a pick takes about ln(n) of them instead of n, and the answer is exact.
    private int Best(ulong scrambled, double[] perWeight)
    {
        var (best, least) = (0, double.PositiveInfinity);
        var hashes = _hashes;
        for (var i = 0; i < hashes.Length && i < perWeight.Length; i++)
        {
            var below = Chance.Unit(~WeightedDraw.Mix(scrambled ^ hashes[i]));
            if (below * perWeight[i] < least && -Math.Log(1 - below) * perWeight[i] is var cost && cost < least)
            {
                (best, least) = (i, cost);
            }
        }

        return best;
    }
}
