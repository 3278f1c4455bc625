using System.Numerics;

namespace ProxyKit.Balancing;

/// <summary>Places members at many points of a ring; a key goes to the next point after it.</summary>
/// <remarks>
/// Consistent hashing (Karger et al., 1997) with ketama's 160 points for each weight. Removing a member moves its keys alone. The shares
/// are as even as the points are many: with 160 the busiest of ten members has about 1.3 times the mean. A pick costs the same at any size.
/// </remarks>
public sealed class RingHash : IBalancingPolicy, IValidatable
{
    private const int LargestRing = 8 * 1024 * 1024;

    /// <summary>Points for each unit of weight. The default is 160.</summary>
    public int PointsPerWeight { get; set; } = 160;

    /// <summary>
    /// The least points of a whole ring; a smaller one gets more points for each weight. The default is 0. Above it, a change of members
    /// can move keys between those that stay, because the points for each weight change.
    /// </summary>
    public int MinPoints { get; set; }

    /// <summary>The most points of a whole ring; a larger one gets fewer points for each weight. A point takes 16 bytes. The default is 262,144.</summary>
    public int MaxPoints { get; set; } = 256 * 1024;

    /// <inheritdoc/>
    public IPicker Prepare(PoolSnapshot snapshot)
    {
        ArgumentNullException.ThrowIfNull(snapshot);
        return new Picker(new RendezvousTable(snapshot.Available), this);
    }

    /// <inheritdoc/>
    public IEnumerable<string> Faults()
    {
        if (PointsPerWeight is < 1 or > 10_000)
        {
            yield return $"{nameof(PointsPerWeight)} is {PointsPerWeight}; it must be 1 to 10000.";
        }

        if (MaxPoints is < 1 or > LargestRing)
        {
            yield return $"{nameof(MaxPoints)} is {MaxPoints}; it must be 1 to {LargestRing}.";
        }

        if (MinPoints < 0 || MinPoints > MaxPoints)
        {
            yield return $"{nameof(MinPoints)} is {MinPoints}; it must be 0 to {nameof(MaxPoints)}, which is {MaxPoints}.";
        }
    }

    private sealed class Picker : IPicker
    {
        private const int Steps = 32;

        private readonly RendezvousTable _table;
        private readonly ulong[] _points;
        private readonly int[] _owners;
        private readonly int[] _starts; // the first point at or after the start of each of 2^n equal arcs
        private readonly int _shift;

        public Picker(RendezvousTable table, RingHash ring)
        {
            _table = table;
            var members = table.Members;
            var wanted = 0.0;
            foreach (var member in members)
            {
                wanted += member.Weight * ring.PointsPerWeight;
            }

            var scale = members.Length == 0 ? 1 : Math.Clamp(wanted, ring.MinPoints, ring.MaxPoints) / wanted;
            var (points, owners) = (new List<ulong>(), new List<int>());
            for (var i = 0; i < members.Length; i++)
            {
                var count = Math.Max(1, (int)Math.Round(members[i].Weight * ring.PointsPerWeight * scale));
                for (var j = 0; j < count; j++)
                {
                    // The points of a member are a sequence of its own, so that more weight only adds points.
                    points.Add(WeightedDraw.Mix(members[i].Hash + ((ulong)j * 0x9E3779B97F4A7C15)));
                    owners.Add(i);
                }
            }

            (_points, _owners) = ([.. points], [.. owners]);
            Array.Sort(_points, _owners);
            var arcs = BitOperations.RoundUpToPowerOf2((uint)Math.Max(2, _points.Length));
            _shift = 64 - BitOperations.Log2(arcs);
            _starts = new int[arcs];
            var at = 0;
            for (var arc = 0; arc < _starts.Length; arc++)
            {
                while (at < _points.Length && _points[at] < (ulong)arc << _shift)
                {
                    at++;
                }

                _starts[arc] = at;
            }
        }

        public Member? Pick(in PickRequest request)
        {
            if (_points.Length == 0)
            {
                return null;
            }

            // On along the ring is where the keys would go if the member were not there, so a retry finds what an ejection would.
            var key = request.Key ?? request.Random;
            var at = After(WeightedDraw.Mix(key));
            for (var i = 0; i < Steps; i++)
            {
                at = at == _points.Length ? 0 : at;
                var member = _table.Members[_owners[at]];
                if (request.Allows(member))
                {
                    return member;
                }

                at++;
            }

            return _table.Pick(key, request);
        }

        public string Explain(in PickRequest request, Member picked)
        {
            var position = WeightedDraw.Mix(request.Key ?? request.Random);
            return $"{(request.Key is null ? "no key, so a chance position" : "the key's position")} {position:x16} on a ring of {_points.Length} points";
        }

        // Points are spread evenly, so an arc holds about one of them and the search is over after a step or two.
        private int After(ulong position)
        {
            var at = _starts[(int)(position >> _shift)];
            while (at < _points.Length && _points[at] < position)
            {
                at++;
            }

            return at;
        }
    }
}
