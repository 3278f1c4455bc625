namespace ProxyKit.Health;

/// <summary>Composes what judges pools by how their requests end.</summary>
public static class OutlierBuilderExtensions
{
    /// <summary>Takes destinations out whose requests end badly, and tries them again after a while.</summary>
    /// <exception cref="ArgumentException">The options have faults; the message lists every one.</exception>
    public static IPoolBuilder WithOutlierDetection(this IPoolBuilder builder, OutlierOptions? outliers = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        builder.AddHealth();
        return builder.With(outliers ?? new OutlierOptions());
    }

    /// <summary>Sends the pool no requests for a while when too many of them fail.</summary>
    /// <exception cref="ArgumentException">The options have faults; the message lists every one.</exception>
    public static IPoolBuilder WithCircuitBreaker(this IPoolBuilder builder, CircuitBreakerOptions? breaker = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        builder.AddHealth();
        return builder.With(breaker ?? new CircuitBreakerOptions());
    }
}
