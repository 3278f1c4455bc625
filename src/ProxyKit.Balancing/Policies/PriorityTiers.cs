namespace ProxyKit.Balancing;

/// <summary>Sends requests to the first tier (<see cref="Destination.Priority"/>) and to later ones only for what the earlier cannot carry.</summary>
/// <remarks>
/// A tier carries its healthy share times <see cref="Overprovisioning"/>, as in Envoy: with 1.4 the first tier keeps everything until fewer
/// than 71.4 % of it are healthy, at half of them it keeps 70 %. Where all tiers together carry less than everything, their loads are scaled up.
/// Requests with a key stay in their tier for as long as the loads last.
/// </remarks>
public sealed class PriorityTiers : IBalancingPolicy, IValidatable
{
    private readonly IBalancingPolicy _inner;

    /// <summary>Balances within a tier by <see cref="PowerOfTwo"/>.</summary>
    public PriorityTiers()
        : this(new PowerOfTwo())
    {
    }

    /// <summary>Balances within a tier by <paramref name="inner"/>.</summary>
    public PriorityTiers(IBalancingPolicy inner)
    {
        ArgumentNullException.ThrowIfNull(inner);
        _inner = inner;
    }

    /// <summary>How much of a whole tier's traffic each part of it can carry: at 1.4, five of seven members carry it all. 1 to 100; the default is 1.4.</summary>
    public double Overprovisioning { get; set; } = 1.4;

    /// <inheritdoc/>
    public IPicker Prepare(PoolSnapshot snapshot)
    {
        ArgumentNullException.ThrowIfNull(snapshot);
        int[] tiers = [.. snapshot.Available.Select(member => member.Destination.Priority).Distinct().Order()];
        var loads = Loads([.. tiers.Select(tier => Healthy(snapshot, tier))], Overprovisioning);
        return new SplitPicker(tiers.Select((tier, i) => (
            $"tier {tier}", loads[i], _inner.Prepare(snapshot.Where(member => member.Destination.Priority == tier)))));
    }

    /// <inheritdoc/>
    public IEnumerable<string> Faults()
    {
        if (!(Overprovisioning >= 1 && Overprovisioning <= 100))
        {
            yield return $"{nameof(Overprovisioning)} is {Overprovisioning}; it must be 1 to 100, such as 1.4.";
        }

        foreach (var fault in Inner.Faults(_inner))
        {
            yield return fault;
        }
    }

    /// <summary>The share of requests for each tier, given how much of it is healthy, 0 to 1. The shares add up to 1.</summary>
    internal static double[] Loads(ReadOnlySpan<double> healthy, double overprovisioning)
    {
        var loads = new double[healthy.Length];
        var capacity = 0.0;
        foreach (var share in healthy)
        {
            capacity += Math.Min(1, share * overprovisioning);
        }

        if (capacity == 0)
        {
            // Nobody is believed healthy and the pool fails open: then the order of the tiers is all there is to go by.
            loads.AsSpan(0, Math.Min(1, loads.Length)).Fill(1);
            return loads;
        }

        var left = 1.0;
        for (var i = 0; i < loads.Length; i++)
        {
            loads[i] = Math.Min(left, Math.Min(1, healthy[i] * overprovisioning) / Math.Min(1, capacity));
            left -= loads[i];
        }

        return loads;
    }

    private static double Healthy(PoolSnapshot snapshot, int tier)
    {
        var (all, healthy) = (0, 0);
        foreach (var member in snapshot.Members)
        {
            // One that is switched off or drained on purpose is not missed; its tier is that much smaller.
            if (member.Destination.Priority == tier && member.State == MemberState.Active && member.Availability != Availability.Draining && member.Destination.Weight > 0)
            {
                all++;
                healthy += member.IsDown ? 0 : 1;
            }
        }

        return all == 0 ? 0 : (double)healthy / all;
    }
}
