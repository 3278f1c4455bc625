using System.Diagnostics;
using System.Diagnostics.Metrics;

namespace ProxyKit;

/// <summary>What pools measure. Names and units follow OpenTelemetry's semantic conventions.</summary>
internal sealed class PoolMetrics
{
    public const string MeterName = "ProxyKit.Core";

    private static readonly (MemberStanding Standing, string Name)[] States = [.. Enum.GetValues<MemberStanding>().Select(standing => (standing, standing.ToString().ToLowerInvariant()))];

    private readonly Meter _meter;
    private readonly Counter<long> _reloads;

    public PoolMetrics(IMeterFactory meters)
    {
        _meter = meters.Create(MeterName);
        _reloads = _meter.CreateCounter<long>("proxykit.pool.reloads", unit: "{reload}", description: "Reloads of a pool's configuration, by whether they were accepted.");
    }

    public void Reloaded(string pool, bool accepted) =>
        _reloads.Add(1, new TagList { { "proxykit.pool.name", pool }, { "proxykit.pool.reload.result", accepted ? "accepted" : "refused" } });

    public void Watch(PoolDirectory pools)
    {
        _meter.CreateObservableUpDownCounter(
            "proxykit.pool.requests.active",
            () => pools.Pools.SelectMany(pool => pool.Snapshot.Members.Select(member => new Measurement<int>(
                member.InFlight, new("proxykit.pool.name", pool.Name), new("proxykit.destination.name", member.Destination.Name)))),
            unit: "{request}",
            description: "Requests that each destination holds now.");
        _meter.CreateObservableUpDownCounter(
            "proxykit.pool.requests.queued",
            () => pools.Pools.Select(pool => new Measurement<int>(pool.Waiting, new KeyValuePair<string, object?>("proxykit.pool.name", pool.Name))),
            unit: "{request}",
            description: "Requests that wait for a seat now.");
        _meter.CreateObservableUpDownCounter(
            "proxykit.pool.destinations",
            () => pools.Pools.SelectMany(Standings),
            unit: "{destination}",
            description: "Destinations, by state.");
    }

    // Every state each time, 0 too: a series that is left out keeps its last value on many a screen.
    private static IEnumerable<Measurement<int>> Standings(Pool pool)
    {
        var members = pool.Snapshot.Members;
        return States.Select(state => new Measurement<int>(
            members.Count(member => member.Standing == state.Standing), new("proxykit.pool.name", pool.Name), new("proxykit.destination.state", state.Name)));
    }
}
