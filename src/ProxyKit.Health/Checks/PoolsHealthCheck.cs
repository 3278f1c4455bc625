using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace ProxyKit.Health;

/// <summary>Tells an orchestrator whether the gateway can serve: whether each pool has somebody to send to.</summary>
internal sealed class PoolsHealthCheck(PoolDirectory pools, Func<string, bool>? matters) : IHealthCheck
{
    public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default)
    {
        var judged = pools.Pools.Where(pool => matters?.Invoke(pool.Name) ?? true).Select(PoolHealth.Of).ToList();
        var data = judged.ToDictionary(pool => pool.Name, object (pool) => pool.Counts, StringComparer.Ordinal);
        var status = Leaving() is not null ? HealthStatus.Unhealthy : judged.Select(pool => pool.Status).DefaultIfEmpty(HealthStatus.Healthy).Min();
        string[] said = [.. Leaving() is { } leaving ? [leaving] : Array.Empty<string>(), .. judged.SelectMany(pool => pool.Faults)];
        return Task.FromResult(new HealthCheckResult(
            status == HealthStatus.Unhealthy ? context.Registration.FailureStatus : status, said.Length == 0 ? null : string.Join(" ", said), data: data));
    }

    // The one place to say that the gateway is about to stop and wants no more requests; null while it stays.
    private static string? Leaving() => null;
}
