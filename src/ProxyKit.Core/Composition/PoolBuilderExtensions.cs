using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;

namespace ProxyKit;

/// <summary>Composes pools: <c>AddPool</c> adds one, each <c>With…</c> qualifies the one added last.</summary>
public static class PoolBuilderExtensions
{
    /// <summary>Adds a pool of <paramref name="addresses"/>, each named by its authority.</summary>
    /// <exception cref="ArgumentException">An address is none, two are equal, or a pool of that name was added before.</exception>
    public static IPoolBuilder AddPool(this IProxyKitBuilder builder, string name, params string[] addresses)
    {
        ArgumentNullException.ThrowIfNull(addresses);
        return builder.AddPool(name, addresses.Select(Destination.Parse));
    }

    /// <summary>Adds a pool of <paramref name="destinations"/>.</summary>
    /// <exception cref="ArgumentException">The destinations have faults, or a pool of that name was added before.</exception>
    public static IPoolBuilder AddPool(this IProxyKitBuilder builder, string name, IEnumerable<Destination> destinations)
    {
        ArgumentNullException.ThrowIfNull(builder);
        if (builder.Services.Any(service => service.ImplementationInstance is PoolDefinition other && other.Name == name))
        {
            throw new ArgumentException($"A pool named '{name}' was added before; give each its own name.", nameof(name));
        }

        var pool = new PoolDefinition(name, destinations);
        var faults = Pool.Faults(pool.Destinations).ToList();
        if (faults.Count > 0)
        {
            throw new ArgumentException($"Pool '{name}': {string.Join(" ", faults)}", nameof(destinations));
        }

        builder.Services.AddSingleton(pool);
        return new Builder(builder.Services, pool);
    }

    /// <summary>Takes destinations and settings of the pool from <paramref name="section"/> as well, now and whenever it changes. Where code set the same, code wins.</summary>
    public static IPoolBuilder WithConfiguration(this IPoolBuilder builder, IConfiguration section)
    {
        ArgumentNullException.ThrowIfNull(section);
        builder.Pool.Section = section;
        return builder;
    }

    /// <summary>Balances the pool by <paramref name="policy"/>. Without it, by <see cref="PowerOfTwo"/>.</summary>
    public static IPoolBuilder WithPolicy(this IPoolBuilder builder, IBalancingPolicy policy)
    {
        builder.Pool.Set(policy);
        return builder;
    }

    /// <summary>Bounds the requests that each destination holds, and those that wait.</summary>
    public static IPoolBuilder WithLimits(this IPoolBuilder builder, LimitOptions limits) => builder.With(limits);

    /// <summary>Gives a destination that is new, or back again, less traffic at first.</summary>
    public static IPoolBuilder WithSlowStart(this IPoolBuilder builder, SlowStartOptions? slowStart = null) => builder.With(slowStart ?? new SlowStartOptions());

    /// <summary>Says what happens when too few destinations are healthy.</summary>
    public static IPoolBuilder WithPanic(this IPoolBuilder builder, PanicOptions? panic = null) => builder.With(panic ?? new PanicOptions());

    /// <summary>Lets destinations say by a response field how they stand.</summary>
    public static IPoolBuilder WithStateHeader(this IPoolBuilder builder, StateHeaderOptions? header = null) => builder.With(header ?? new StateHeaderOptions());

    /// <summary>Says how destinations leave.</summary>
    public static IPoolBuilder WithDrain(this IPoolBuilder builder, DrainOptions drain) => builder.With(drain);

    /// <summary>Takes the destinations from <paramref name="source"/> for as long as the pool runs, in place of those it was added with.</summary>
    public static IPoolBuilder WithDestinations(this IPoolBuilder builder, IDestinationSource source)
    {
        ArgumentNullException.ThrowIfNull(builder);
        builder.Pool.Source = null;
        return builder.With(source);
    }

    /// <summary>The same, with a source that needs the host's services. A reload asks for it again; one that equals the source before goes on undisturbed.</summary>
    public static IPoolBuilder WithDestinations(this IPoolBuilder builder, Func<IServiceProvider, IDestinationSource> make)
    {
        ArgumentNullException.ThrowIfNull(builder);
        ArgumentNullException.ThrowIfNull(make);
        builder.Pool.Source = make;
        return builder;
    }

    /// <summary>Keeps settings of any type in the pool: what a package's own <c>With…</c> is made of.</summary>
    /// <exception cref="ArgumentException">They have faults; the message lists every one.</exception>
    public static IPoolBuilder With<T>(this IPoolBuilder builder, T settings)
        where T : class
    {
        ArgumentNullException.ThrowIfNull(builder);
        builder.Pool.Set(settings);
        return builder;
    }

    private sealed record Builder(IServiceCollection Services, PoolDefinition Pool) : IPoolBuilder;
}
