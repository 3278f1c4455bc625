using System.Diagnostics.Metrics;

using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.Metrics.Testing;

using ProxyKit.Tests.Pools;

namespace ProxyKit.Tests.Composition;

public sealed class PoolMetricsTests : IDisposable
{
    private readonly ServiceProvider _provider;
    private readonly Pool _pool;

    public PoolMetricsTests()
    {
        var services = new ServiceCollection();
        services.AddProxyKit().AddPool("p", Some.Destinations("a", "b", "c", "d")).WithLimits(new LimitOptions { MaxPerDestination = 1, QueueLength = 2, QueueTimeout = TimeSpan.FromMinutes(1) });
        _provider = services.BuildServiceProvider();
        _pool = _provider.GetRequiredService<PoolDirectory>().Find("p");
    }

    public void Dispose() => _provider.Dispose();

    [Fact]
    public void Destinations_are_counted_by_state_those_of_none_as_well()
    {
        _pool.SetAvailable("a", "probe", false);
        _pool.SetState("b", MemberState.Draining);
        Assert.Equal(["active 2", "degraded 0", "trial 0", "draining 1", "down 1", "off 0"], Observe("proxykit.pool.destinations", "proxykit.destination.state"));
        _pool.SetState("a", MemberState.Off);
        Assert.Equal(["active 2", "degraded 0", "trial 0", "draining 1", "down 0", "off 1"], Observe("proxykit.pool.destinations", "proxykit.destination.state"));
    }

    [Fact]
    public void Requests_in_flight_and_in_the_queue_are_counted()
    {
        var leases = Enumerable.Range(0, 4).Select(_ => _pool.Pick()).ToList();
        _ = _pool.PickAsync(cancellationToken: Some.Token).AsTask();
        Assert.Equal(["a 1", "b 1", "c 1", "d 1"], Observe("proxykit.pool.requests.active", "proxykit.destination.name"));
        Assert.Equal(["p 1"], Observe("proxykit.pool.requests.queued", "proxykit.pool.name"));
        leases.ForEach(lease => lease.Dispose());
        Assert.Equal(["p 0"], Observe("proxykit.pool.requests.queued", "proxykit.pool.name"));
    }

    private IEnumerable<string> Observe(string instrument, string tag)
    {
        using var collector = new MetricCollector<int>(_provider.GetRequiredService<IMeterFactory>(), "ProxyKit.Core", instrument);
        collector.RecordObservableInstruments();
        var measurements = collector.GetMeasurementSnapshot();
        Assert.All(measurements, measurement => Assert.Equal("p", measurement.Tags["proxykit.pool.name"]));
        return [.. measurements.Select(measurement => $"{measurement.Tags[tag]} {measurement.Value}")];
    }
}
