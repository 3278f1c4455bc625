using System.Collections.Immutable;

using Microsoft.Extensions.Configuration;

namespace ProxyKit;

/// <summary>A pool as composed, before the host is built.</summary>
public sealed class PoolDefinition
{
    internal PoolDefinition(string name, IEnumerable<Destination> destinations)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(name);
        ArgumentNullException.ThrowIfNull(destinations);
        (Name, Destinations) = (name, [.. destinations]);
    }

    /// <summary>The pool's name.</summary>
    public string Name { get; }

    /// <summary>What the pool starts with.</summary>
    public ImmutableArray<Destination> Destinations { get; }

    /// <summary>How the pool is set up in code. Where configuration says something of the same kind, code wins.</summary>
    public PoolSettings Settings => Configured.Aggregate(PoolSettings.Default, (settings, set) => set(settings));

    /// <summary>The section that the pool is bound to; null where it is composed in code alone.</summary>
    public IConfiguration? Section { get; set; }

    /// <summary>Whether the pool exists because configuration says so, and goes when it says so no more.</summary>
    internal bool IsConfigured { get; init; }

    /// <summary>Makes the source of destinations once the host is built; null where there is none, or <see cref="Settings"/> hold one made before.</summary>
    public Func<IServiceProvider, IDestinationSource>? Source { get; set; }

    internal List<Func<PoolSettings, PoolSettings>> Configured { get; } = [];

    /// <summary>Keeps <paramref name="settings"/>, in place of any of the same type, copied and judged as <see cref="PoolSettings.With{T}(T)"/> does.</summary>
    /// <exception cref="ArgumentException">They have faults; the message lists every one.</exception>
    public void Set<T>(T settings)
        where T : class
    {
        var own = settings.Frozen();
        Configured.Add(before => before.With(own));
    }

    /// <summary>Balances by <paramref name="policy"/>.</summary>
    /// <exception cref="ArgumentException">It has faults; the message lists every one.</exception>
    public void Set(IBalancingPolicy policy)
    {
        var own = policy.Frozen();
        Configured.Add(before => before.With(own));
    }
}
