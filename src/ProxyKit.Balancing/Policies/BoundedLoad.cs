namespace ProxyKit.Balancing;

/// <summary>Hashes as another policy does, but lets no member hold more than its share of the requests in flight, times a factor: one hot key cannot sink a member.</summary>
/// <remarks>
/// <para>
/// Consistent hashing with bounded loads (Mirrokni, Thorup and Zadimoghaddam, 2016). What a full member cannot take goes on by hashing again,
/// not to its neighbour, which would fill up next and the one after it too (Chen et al., "Revisiting Consistent Hashing with Bounded Loads",
/// arXiv:1908.08762). With little in flight every key stays at home.
/// </para>
/// <para>The bound counts requests in flight alone: a failing member keeps its keys until it is taken out, as with any hash policy.</para>
/// </remarks>
public sealed class BoundedLoad : IBalancingPolicy, IValidatable
{
    private readonly IBalancingPolicy _inner;

    /// <summary>Bounds <see cref="Rendezvous"/>.</summary>
    public BoundedLoad()
        : this(new Rendezvous())
    {
    }

    /// <summary>Bounds <paramref name="inner"/>.</summary>
    public BoundedLoad(IBalancingPolicy inner)
    {
        ArgumentNullException.ThrowIfNull(inner);
        _inner = inner;
    }

    /// <summary>How far above its share of the requests in flight a member may go, 1 to 100. The default is 1.25.</summary>
    public double Factor { get; set; } = 1.25;

    /// <inheritdoc/>
    public IPicker Prepare(PoolSnapshot snapshot)
    {
        ArgumentNullException.ThrowIfNull(snapshot);
        return new Picker(_inner.Prepare(snapshot), new RendezvousTable(snapshot.Available), Factor);
    }

    /// <inheritdoc/>
    public IEnumerable<string> Faults()
    {
        if (!(Factor >= 1 && Factor <= 100))
        {
            yield return $"{nameof(Factor)} is {Factor}; it must be 1 to 100, such as 1.25.";
        }

        foreach (var fault in Inner.Faults(_inner))
        {
            yield return fault;
        }
    }

    private sealed class Picker : IPicker
    {
        private const int Jumps = 4;

        private readonly IPicker _inner;
        private readonly RendezvousTable _table;
        private readonly Member[] _members;
        private readonly double _weightPerFactor;

        public Picker(IPicker inner, RendezvousTable table, double factor)
        {
            (_inner, _table, _members) = (inner, table, table.Members.ToArray());
            _weightPerFactor = _members.Sum(member => member.Weight) / factor;
        }

        public Member? Pick(in PickRequest request)
        {
            var home = _inner.Pick(request);
            if (home is null || HasShare(home, out var total))
            {
                return home;
            }

            var key = request.Key ?? request.Random;
            for (var i = 0; i < Jumps; i++)
            {
                key = WeightedDraw.Mix(key);
                var next = _inner.Pick(new PickRequest(request.Ticket, request.Random, key, request.Tried));
                if (next is not null && HasShare(next, total))
                {
                    return next;
                }
            }

            // Where only those that were tried or are full are below the bound, the bound gives way, not the request.
            return Nearest(WeightedDraw.Mix(key), total, request) ?? home;
        }

        public string Explain(in PickRequest request, Member picked)
        {
            var home = _inner.Pick(request);
            return home is null || home.IsSame(picked)
                ? _inner.Explain(request, picked)
                : $"{home.Destination.Name} holds {home.InFlight} of {Total()}, its share and more";
        }

        private Member? Nearest(ulong scrambled, int total, in PickRequest request)
        {
            Member? best = null;
            var least = double.PositiveInfinity;
            for (var i = 0; i < _members.Length; i++)
            {
                if (HasShare(_members[i], total) && request.Allows(_members[i]) && _table.Cost(scrambled, i) is var cost && cost < least)
                {
                    (best, least) = (_members[i], cost);
                }
            }

            return best;
        }

        // A member may take one more while held < factor × (total + 1) × weight / all weights.
        private bool HasShare(Member member, int total) => member.InFlight * _weightPerFactor < (total + 1) * member.Weight;

        // The same, and it stops counting once the total is known to be enough: an idle member needs no counting at all.
        // Where the answer is no, all have been counted.
        private bool HasShare(Member member, out int total)
        {
            var needed = (member.InFlight * _weightPerFactor / member.Weight) - 1;
            total = 0;
            for (var i = 0; i < _members.Length && total <= needed; i++)
            {
                total += _members[i].InFlight;
            }

            return total > needed;
        }

        private int Total()
        {
            var total = 0;
            foreach (var member in _members)
            {
                total += member.InFlight;
            }

            return total;
        }
    }
}
