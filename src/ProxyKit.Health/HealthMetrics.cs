using System.Diagnostics;
using System.Diagnostics.Metrics;

using Microsoft.Extensions.DependencyInjection;

namespace ProxyKit.Health;

/// <summary>What outlier detection and circuit breakers measure. Names and units follow OpenTelemetry's semantic conventions.</summary>
internal sealed class HealthMetrics
{
    public const string MeterName = "ProxyKit.Health";

    private static readonly CircuitState[] CircuitStates = Enum.GetValues<CircuitState>();

    private readonly Counter<long> _ejections;
    private readonly Counter<long> _transitions;

    public HealthMetrics(IMeterFactory meters, IServiceProvider services)
    {
        var meter = meters.Create(MeterName);
        _ejections = meter.CreateCounter<long>("proxykit.health.ejections", unit: "{ejection}", description: "Destinations taken out for how their requests ended, by reason.");
        _transitions = meter.CreateCounter<long>("proxykit.health.circuit.transitions", unit: "{transition}", description: "Changes of a pool's circuit breaker, by the state it came into.");

        // Asked for when it is read: the pools are made with those that this is made for.
        meter.CreateObservableUpDownCounter(
            "proxykit.health.ejected",
            () => Pools(services).Where(pool => pool.Snapshot.Settings.Get<OutlierOptions>() is not null).SelectMany(pool => pool.Snapshot.Members.Select(member => new Measurement<int>(
                member.Notes.Of<Tally>().Place == Place.In ? 0 : 1, new("proxykit.pool.name", pool.Name), new("proxykit.destination.name", member.Destination.Name)))),
            unit: "{destination}",
            description: "Destinations that are out now, or on trial.");
        meter.CreateObservableUpDownCounter(
            "proxykit.health.circuit.state",
            () => Pools(services).Where(pool => pool.Snapshot.Settings.Get<CircuitBreakerOptions>() is not null).SelectMany(pool => CircuitStates.Select(state => new Measurement<int>(
                pool.Notes.Of<Circuit>().State == state ? 1 : 0, new("proxykit.pool.name", pool.Name), new("proxykit.circuit.state", NameOf(state))))),
            unit: "{pool}",
            description: "Circuit breakers, by state.");
    }

    public void Ejected(string pool, string destination, OutlierKind kind) => _ejections.Add(
        1, new TagList { { "proxykit.pool.name", pool }, { "proxykit.destination.name", destination }, { "proxykit.ejection.reason", NameOf(kind) } });

    public void Became(string pool, CircuitState state) => _transitions.Add(1, new TagList { { "proxykit.pool.name", pool }, { "proxykit.circuit.state", NameOf(state) } });

    private static IReadOnlyList<Pool> Pools(IServiceProvider services) => services.GetRequiredService<PoolDirectory>().Pools;

    private static string NameOf(OutlierKind kind) => kind switch
    {
        OutlierKind.ConnectFailures => "connect_failures",
        OutlierKind.GatewayErrors => "gateway_errors",
        OutlierKind.ServerErrors => "server_errors",
        OutlierKind.FailureShare => "failure_share",
        OutlierKind.FailureExcess => "failure_excess",
        OutlierKind.SuccessRate => "success_rate",
        OutlierKind.Latency => "latency",
        _ => "trial",
    };

    private static string NameOf(CircuitState state) => state switch
    {
        CircuitState.Closed => "closed",
        CircuitState.Open => "open",
        _ => "recovering",
    };
}
