using System.Diagnostics.Metrics;

using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.Metrics.Testing;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Time.Testing;

namespace ProxyKit.Health.Tests.Outliers;

// What a host sees of it: configuration, metrics, logs.
public sealed class HostedTests : IDisposable
{
    private readonly FakeTimeProvider _time = new();
    private readonly ServiceCollection _services = new();
    private ServiceProvider? _provider;

    public HostedTests()
    {
        _services.AddSingleton<TimeProvider>(_time);
        _services.AddLogging(logging => logging.AddFakeLogging());
    }

    private ServiceProvider Provider => _provider ??= _services.BuildServiceProvider();

    private Pool Pool => Provider.GetRequiredService<PoolDirectory>().Find("p");

    private IMeterFactory Meters => Provider.GetRequiredService<IMeterFactory>();

    public void Dispose() => _provider?.Dispose();

    [Fact]
    public void Configuration_turns_on_all_of_it()
    {
        Configure("OutlierDetection:ConsecutiveConnectFailures=2", "OutlierDetection:BaseEjection=00:00:07", "CircuitBreaker:FailureShare=0.9", "StateHeader:Name=X-State");
        Assert.Equal(new OutlierOptions { ConsecutiveConnectFailures = 2, BaseEjection = TimeSpan.FromSeconds(7) }, Pool.Snapshot.Settings.Get<OutlierOptions>());
        Assert.Equal(new CircuitBreakerOptions { FailureShare = 0.9 }, Pool.Snapshot.Settings.Get<CircuitBreakerOptions>());
        Refuse("a", 2);
        Assert.Equal(MemberStanding.Down, Pool.Snapshot.Find("a")!.Standing);
        Say("b", Availability.Degraded);
        Assert.Equal(MemberStanding.Degraded, Pool.Snapshot.Find("b")!.Standing);
    }

    [Theory]
    [InlineData("OutlierDetection:MinVolum=3", "ProxyKit:Pools:p:OutlierDetection:MinVolum is not known; did you mean 'MinVolume'?")]
    [InlineData("OutlierDetection:FailureShare=85", "ProxyKit:Pools:p:OutlierDetection: FailureShare is 85; it must be 0 (off) to 1.")]
    [InlineData("CircuitBreaker:OpenTme=3", "ProxyKit:Pools:p:CircuitBreaker:OpenTme is not known; did you mean 'OpenTime'?")]
    public void Its_faults_end_the_host(string line, string fault)
    {
        Configure(line);
        Assert.Contains(fault, Assert.Throws<InvalidOperationException>(() => Pool).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Code_composes_it_and_adding_it_twice_counts_once()
    {
        _services.AddProxyKit().AddHealth().AddHealth().AddPool("p", [Watched.Destination("a"), Watched.Destination("b")])
            .WithOutlierDetection()
            .WithCircuitBreaker(new CircuitBreakerOptions { ConsecutiveFailures = 4 });
        using var ejections = new MetricCollector<long>(Meters, "ProxyKit.Health", "proxykit.health.ejections");
        Refuse("a", 3);
        Assert.Equal(MemberStanding.Down, Pool.Snapshot.Find("a")!.Standing);
        Assert.Equal(1, Assert.Single(ejections.GetMeasurementSnapshot()).Value);
        Assert.Equal(1, Pool.Snapshot.Admission);
        Refuse("b", 1);
        Assert.Equal(0, Pool.Snapshot.Admission);
        Assert.Throws<ArgumentException>(() => _services.AddProxyKit().AddPool("q", "http://q").WithOutlierDetection(new OutlierOptions { MinVolume = 0 }));
    }

    [Fact]
    public void Ejections_are_measured_by_reason_and_logged_once()
    {
        _services.AddProxyKit().AddPool("p", [Watched.Destination("a"), Watched.Destination("b")]).WithOutlierDetection(new OutlierOptions { Jitter = 0 });
        using var ejections = new MetricCollector<long>(Meters, "ProxyKit.Health", "proxykit.health.ejections");
        using var ejected = new MetricCollector<int>(Meters, "ProxyKit.Health", "proxykit.health.ejected");
        Refuse("a", 3);
        Pass(5);
        Refuse("a", 1);
        Assert.Equal(
            ["a connect_failures", "a trial"],
            ejections.GetMeasurementSnapshot().Select(measured => $"{measured.Tags["proxykit.destination.name"]} {measured.Tags["proxykit.ejection.reason"]}"));
        ejected.RecordObservableInstruments();
        Assert.Equal(["a 1", "b 0"], ejected.GetMeasurementSnapshot().Select(measured => $"{measured.Tags["proxykit.destination.name"]} {measured.Value}").Order());
        Assert.Equal(
            [
                "Destination a of pool p was Active and is Down: outliers, 3 failed connections in a row; out for 5 s.",
                "Destination a of pool p was Down and is Trial: outliers, its time is over; one request at a time tries it.",
                "Destination a of pool p was Trial and is Down: outliers, it failed the request on trial, no connection; out for 10 s.",
            ],
            Provider.GetFakeLogCollector().GetSnapshot().Select(record => record.Message));
    }

    [Fact]
    public void A_circuit_breaker_is_measured_by_state_and_counted_by_change()
    {
        _services.AddProxyKit().AddPool("p", [Watched.Destination("a"), Watched.Destination("b")]).WithCircuitBreaker(new CircuitBreakerOptions { ConsecutiveFailures = 3 });
        using var transitions = new MetricCollector<long>(Meters, "ProxyKit.Health", "proxykit.health.circuit.transitions");
        using var state = new MetricCollector<int>(Meters, "ProxyKit.Health", "proxykit.health.circuit.state");
        Refuse("a", 3);
        state.RecordObservableInstruments();
        Assert.Equal(
            ["closed 0", "open 1", "recovering 0"], state.GetMeasurementSnapshot().Select(measured => $"{measured.Tags["proxykit.circuit.state"]} {measured.Value}"));
        Pass(16);
        Assert.Equal(["open", "recovering", "closed"], transitions.GetMeasurementSnapshot().Select(measured => measured.Tags["proxykit.circuit.state"]));
        Assert.All(transitions.GetMeasurementSnapshot(), measured => Assert.Equal("p", measured.Tags["proxykit.pool.name"]));
    }

    private void Configure(params string[] lines)
    {
        var configuration = new ConfigurationBuilder().AddInMemoryCollection(
            lines.Append("Destinations:a=http://a").Append("Destinations:b=http://b").Select(line => line.Split('=', 2)).Select(pair => KeyValuePair.Create($"ProxyKit:Pools:p:{pair[0]}", (string?)pair[1]))).Build();
        _services.AddProxyKit().AddHealth().AddConfiguration(configuration.GetSection("ProxyKit"));
    }

    private void Refuse(string name, int times)
    {
        for (var i = 0; i < times; i++)
        {
            Assert.Equal(PickStatus.Picked, Pool.TryPick(out var lease, preferred: Pool.Snapshot.Find(name)));
            Assert.Equal(name, lease.Member.Destination.Name);
            lease.Report(OutcomeKind.NotConnected);
            lease.Dispose();
        }
    }

    private void Say(string name, Availability said)
    {
        Assert.Equal(PickStatus.Picked, Pool.TryPick(out var lease, preferred: Pool.Snapshot.Find(name)));
        lease.Report(OutcomeKind.Answered, 200, reported: said);
        lease.Dispose();
    }

    private void Pass(int seconds)
    {
        for (var i = 0; i < seconds * 4; i++)
        {
            _time.Advance(TimeSpan.FromSeconds(0.25));
        }
    }
}
