namespace ProxyKit.Balancing;

/// <summary>Keeps requests in the gateway's own zone (<see cref="Destination.Zone"/>) as far as that overloads nobody, and spills the rest where there is room.</summary>
/// <remarks>
/// Zone aware routing as in Envoy. Of all that starts in a zone, min(1, share of the capacity there / share of the traffic there) stays; the rest
/// goes to zones with more capacity than traffic, in proportion to the surplus. When every gateway does so, each destination gets its fair
/// share by weight, and as little as possible crosses zones. Destinations without a zone form a zone of their own.
/// </remarks>
public sealed class PreferZone : IBalancingPolicy, IValidatable
{
    private readonly IBalancingPolicy _inner;

    /// <summary>Balances within a zone by <see cref="PowerOfTwo"/>.</summary>
    public PreferZone()
        : this(new PowerOfTwo())
    {
    }

    /// <summary>Balances within a zone by <paramref name="inner"/>.</summary>
    public PreferZone(IBalancingPolicy inner)
    {
        ArgumentNullException.ThrowIfNull(inner);
        _inner = inner;
    }

    /// <summary>The zone that this gateway stands in. It must be set.</summary>
    public string Zone { get; set; } = "";

    /// <summary>Below so many available members zones are ignored: with few of them every rounding is a burden on someone. The default is 6.</summary>
    public int MinMembers { get; set; } = 6;

    /// <summary>What share of all traffic starts in each zone, adding up to 1. Empty, the default, takes it that it starts evenly in all zones that have members.</summary>
    public Dictionary<string, double> Origins { get; set; } = [];

    /// <inheritdoc/>
    public IPicker Prepare(PoolSnapshot snapshot)
    {
        ArgumentNullException.ThrowIfNull(snapshot);
        if (snapshot.Available.Length < MinMembers)
        {
            return _inner.Prepare(snapshot);
        }

        // The own zone first, so that what the others cannot take comes back to it last but one.
        string[] zones = [Zone, .. snapshot.Members.Select(ZoneOf).Distinct().Where(zone => zone != Zone).Order(StringComparer.Ordinal)];
        var total = snapshot.Available.Sum(member => member.Weight);
        var capacities = zones.Select(zone => snapshot.Available.Where(member => ZoneOf(member) == zone).Sum(member => member.Weight) / total).ToArray();
        var origins = zones.Select(zone => Origins.Count == 0 ? 1.0 / zones.Length : Origins.GetValueOrDefault(zone)).ToArray();
        var shares = Shares(capacities, origins, own: 0);
        return new SplitPicker(zones
            .Select((zone, i) => (Zone: zone, Share: shares[i], Capacity: capacities[i]))
            .Where(part => part.Capacity > 0)
            .Select(part => ($"zone '{part.Zone}'", part.Share, _inner.Prepare(snapshot.Where(member => ZoneOf(member) == part.Zone)))));
    }

    /// <inheritdoc/>
    public IEnumerable<string> Faults()
    {
        if (string.IsNullOrWhiteSpace(Zone))
        {
            yield return $"{nameof(Zone)} is empty; set it to the zone that this gateway stands in.";
        }

        if (MinMembers < 1)
        {
            yield return $"{nameof(MinMembers)} is {MinMembers}; it must be 1 or more.";
        }

        if (Origins.Count > 0 && (Origins.Values.Any(share => !(share >= 0)) || Math.Abs(Origins.Values.Sum() - 1) > 0.01))
        {
            yield return $"{nameof(Origins)} is {string.Join(", ", Origins.Select(origin => $"{origin.Key} {origin.Value}"))}; the shares must be 0 or more and add up to 1.";
        }
        else if (Origins.Count > 0 && !(Origins.GetValueOrDefault(Zone) > 0))
        {
            yield return $"{nameof(Origins)} has no share for the own zone '{Zone}'; give it one above 0.";
        }

        foreach (var fault in Inner.Faults(_inner))
        {
            yield return fault;
        }
    }

    /// <summary>How a gateway in zone <paramref name="own"/> shares its requests out, given each zone's share of the capacity and of the traffic.</summary>
    internal static double[] Shares(ReadOnlySpan<double> capacities, ReadOnlySpan<double> origins, int own)
    {
        var shares = new double[capacities.Length];
        shares[own] = origins[own] > 0 ? Math.Min(1, capacities[own] / origins[own]) : 1;
        var (spill, surplus) = (1 - shares[own], 0.0);
        for (var i = 0; i < shares.Length; i++)
        {
            surplus += i == own ? 0 : Math.Max(0, capacities[i] - origins[i]);
        }

        for (var i = 0; i < shares.Length && spill > 0; i++)
        {
            if (i != own)
            {
                // No surplus anywhere, though some must go: the figures of the traffic do not fit, and capacity alone decides.
                shares[i] = surplus > 0 ? spill * Math.Max(0, capacities[i] - origins[i]) / surplus : spill * capacities[i] / (1 - capacities[own]);
            }
        }

        return shares;
    }

    private static string ZoneOf(Member member) => member.Destination.Zone ?? "";
}
