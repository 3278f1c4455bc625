using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace ProxyKit.Balancing;

/// <summary>Finds the member that a key likes best of all, or of those allowed: what <see cref="Rendezvous"/> is, and where other hash policies go on.</summary>
/// <remarks>
/// For each pair of key and member there is a number u in (0, 1], drawn by hash. The key goes where -ln(u)/weight is least, which gives each
/// member its share of keys by weight (Schindelhauer and Schomaker, "Weighted Distributed Hash Tables", 2005) and gives the keys of one that
/// is out to all the others in the same shares. Numbers of 32 bits are fine enough for that, and a machine draws eight of them at once.
/// </remarks>
internal sealed class RendezvousTable
{
    private const int Lanes = 8; // of Vector256<uint>
    private const double Step = 1.0 / (1L << 32);
    private const double Rounding = 1e-6; // more than a few roundings in single precision amount to
    private const uint C1 = 0x9E3779B1, C2 = 0x85EBCA6B, C3 = 0xC2B2AE35; // odd and well mixed: the golden ratio's, and those of MurmurHash3

    private readonly Member[] _members;
    private readonly uint[] _low; // the halves of the members' hashes
    private readonly uint[] _high;
    private readonly float[]? _perWeight; // 1/weight; null where all weights are equal

    public RendezvousTable(IEnumerable<Member> members)
    {
        // In the order of names, so that no tie depends on the order of the input.
        _members = [.. members.OrderBy(member => member.Destination.Name, StringComparer.Ordinal)];
        _low = [.. _members.Select(member => (uint)member.Hash)];
        _high = [.. _members.Select(member => (uint)(member.Hash >> 32))];
        _perWeight = Array.TrueForAll(_members, member => member.Weight == _members[0].Weight) ? null : [.. _members.Select(member => (float)(1 / member.Weight))];
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
        var below = ~Draw((uint)scrambled, (uint)(scrambled >> 32), _low[member], _high[member]) * Step;
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
        var (key, key2) = (Vector256.Create((uint)scrambled), Vector256.Create((uint)(scrambled >> 32)));
        var (best, greatest, done) = (0, 0u, 0);
        if (_low.Length >= Lanes)
        {
            var (most, owners, at) = (Vector256<uint>.Zero, Vector256<uint>.Zero, Vector256<uint>.Indices);
            for (; done <= _low.Length - Lanes; done += Lanes)
            {
                var drawn = Draw(key, key2, done);
                var more = Vector256.GreaterThan(drawn, most);
                most = Vector256.ConditionalSelect(more, drawn, most);
                owners = Vector256.ConditionalSelect(more, at, owners);
                at += Vector256.Create((uint)Lanes);
            }

            var half = Vector128.Max(most.GetLower(), most.GetUpper());
            greatest = Math.Max(Math.Max(half[0], half[1]), Math.Max(half[2], half[3]));
            best = (int)owners[BitOperations.TrailingZeroCount(Vector256.Equals(most, Vector256.Create(greatest)).ExtractMostSignificantBits())];
        }

        for (; done < _low.Length; done++)
        {
            var drawn = Draw((uint)scrambled, (uint)(scrambled >> 32), _low[done], _high[done]);
            if (drawn > greatest)
            {
                (best, greatest) = (done, drawn);
            }
        }

        return best;
    }

    // 1 - u never exceeds -ln(u), and is close to it where u is near 1, as a winner's is. So whoever is least by that bound is most likely the
    // winner, and a second look takes logarithms only of those whose bound is below its cost: one or two of a hundred. The answer is exact.
    private int Best(ulong scrambled, float[] perWeight)
    {
        var (key, key2) = (Vector256.Create((uint)scrambled), Vector256.Create((uint)(scrambled >> 32)));
        var (best, least, done) = (0, double.PositiveInfinity, 0);
        if (_low.Length >= Lanes)
        {
            var (lowest, owners, at) = (Vector256.Create(float.PositiveInfinity), Vector256<int>.Zero, Vector256<int>.Indices);
            for (; done <= _low.Length - Lanes; done += Lanes)
            {
                var bound = Bound(key, key2, perWeight, done);
                var less = Vector256.LessThan(bound, lowest);
                lowest = Vector256.ConditionalSelect(less, bound, lowest);
                owners = Vector256.ConditionalSelect(less.AsInt32(), at, owners);
                at += Vector256.Create(Lanes);
            }

            var half = Vector128.Min(lowest.GetLower(), lowest.GetUpper());
            var bottom = Math.Min(Math.Min(half[0], half[1]), Math.Min(half[2], half[3]));
            best = owners[BitOperations.TrailingZeroCount(Vector256.Equals(lowest, Vector256.Create(bottom)).ExtractMostSignificantBits())];
            least = Cost(scrambled, best);
            for (var i = 0; i < done; i += Lanes)
            {
                var close = Vector256.LessThanOrEqual(Bound(key, key2, perWeight, i), Vector256.Create((float)(least * (1 + Rounding))));
                for (var left = close.ExtractMostSignificantBits(); left != 0; left &= left - 1)
                {
                    var member = i + BitOperations.TrailingZeroCount(left);
                    if (Cost(scrambled, member) is var cost && (cost < least || (cost == least && member < best)))
                    {
                        (best, least) = (member, cost);
                    }
                }
            }
        }

        for (; done < _low.Length; done++)
        {
            var below = ~Draw((uint)scrambled, (uint)(scrambled >> 32), _low[done], _high[done]) * Step;
            if (below * perWeight[done] < least && Cost(scrambled, done) is var cost && cost < least)
            {
                (best, least) = (done, cost);
            }
        }

        return best;
    }

    // (1 - u)/weight for eight members, never above what it is exactly: 24 bits of it are a number in single precision as they are.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private Vector256<float> Bound(Vector256<uint> key, Vector256<uint> key2, float[] perWeight, int at)
    {
        const float Coarse = (float)((1.0 / (1L << 24)) * (1 - Rounding));
        var below = (~Draw(key, key2, at) >> 8).AsInt32();
        return Vector256.ConvertToSingle(below) * Coarse * Vector256.LoadUnsafe(ref MemoryMarshal.GetArrayDataReference(perWeight), (nuint)at);
    }

    private static uint Draw(uint key, uint key2, uint low, uint high)
    {
        var x = (key ^ low) * C1;
        x = (x ^ (x >> 15) ^ key2 ^ high) * C2;
        x = (x ^ (x >> 13)) * C3;
        return x ^ (x >> 16);
    }

    // The same for eight members from one on.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private Vector256<uint> Draw(Vector256<uint> key, Vector256<uint> key2, int at)
    {
        var low = Vector256.LoadUnsafe(ref MemoryMarshal.GetArrayDataReference(_low), (nuint)at);
        var high = Vector256.LoadUnsafe(ref MemoryMarshal.GetArrayDataReference(_high), (nuint)at);
        var x = (key ^ low) * Vector256.Create(C1);
        x = (x ^ (x >> 15) ^ key2 ^ high) * Vector256.Create(C2);
        x = (x ^ (x >> 13)) * Vector256.Create(C3);
        return x ^ (x >> 16);
    }
}
