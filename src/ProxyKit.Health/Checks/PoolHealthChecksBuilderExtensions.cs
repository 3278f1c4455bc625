using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace ProxyKit.Health;

/// <summary>Lets orchestrators ask a host how its pools are.</summary>
public static class PoolHealthChecksBuilderExtensions
{
    /// <summary>
    /// Adds a check of the pools: unhealthy where one is not ready or has nobody to send to, degraded where some destinations are down, too few are healthy
    /// or a circuit breaker holds requests back. Its data are the destinations of each pool, counted by how they stand.
    /// </summary>
    /// <param name="builder">The host's health checks.</param>
    /// <param name="name">The name of the check.</param>
    /// <param name="failureStatus">What to report in place of unhealthy; unhealthy where null.</param>
    /// <param name="tags">Tags by which endpoints choose among checks.</param>
    /// <param name="pools">Which pools matter, by name; all where null.</param>
    public static IHealthChecksBuilder AddProxyKitPools(
        this IHealthChecksBuilder builder, string name = "proxykit.pools", HealthStatus? failureStatus = null, IEnumerable<string>? tags = null, Func<string, bool>? pools = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        builder.Services.AddProxyKit();
        return builder.Add(new HealthCheckRegistration(name, services => new PoolsHealthCheck(services.GetRequiredService<PoolDirectory>(), pools), failureStatus, tags));
    }
}
