using System.Diagnostics;
using System.Diagnostics.Metrics;

namespace ProxyKit.Health;

/// <summary>What probing measures and traces. Names and units follow OpenTelemetry's semantic conventions.</summary>
internal sealed class ProbeMetrics
{
    /// <summary>Spans of probes: apart from all else, since they come whether or not anybody uses the pool.</summary>
    public static readonly ActivitySource Source = new("ProxyKit.Health.Probes");

    private readonly Histogram<double> _durations;
    private readonly Counter<long> _probes;

    public ProbeMetrics(IMeterFactory meters)
    {
        var meter = meters.Create("ProxyKit.Health");
        _durations = meter.CreateHistogram<double>(
            "proxykit.health.probe.duration",
            unit: "s",
            description: "Time that a probe took.",
            advice: new InstrumentAdvice<double> { HistogramBucketBoundaries = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10] });
        _probes = meter.CreateCounter<long>("proxykit.health.probes", unit: "{probe}", description: "Probes, by what came of them.");
    }

    public void Probed(string pool, string destination, ProbeStatus status, TimeSpan elapsed)
    {
        if (!_durations.Enabled && !_probes.Enabled)
        {
            return;
        }

        var tags = new TagList { { "proxykit.pool.name", pool }, { "proxykit.destination.name", destination }, { "proxykit.probe.result", Text(status) } };
        _durations.Record(elapsed.TotalSeconds, tags);
        _probes.Add(1, tags);
    }

    public static Activity? Begin(string pool, string destination)
    {
        if (!Source.HasListeners() || Source.StartActivity("probe", ActivityKind.Client) is not { } activity)
        {
            return null;
        }

        activity.SetTag("proxykit.pool.name", pool);
        activity.SetTag("proxykit.destination.name", destination);
        return activity;
    }

    public static void End(Activity? activity, in ProbeResult result)
    {
        if (activity is null)
        {
            return;
        }

        activity.SetTag("proxykit.probe.result", Text(result.Status));
        if (result.Status is ProbeStatus.Unhealthy or ProbeStatus.Down)
        {
            activity.SetStatus(ActivityStatusCode.Error, result.Reason);
        }

        activity.Dispose();
    }

    private static string Text(ProbeStatus status) => status switch
    {
        ProbeStatus.Healthy => "healthy",
        ProbeStatus.Degraded => "degraded",
        ProbeStatus.Draining => "draining",
        ProbeStatus.Down => "down",
        _ => "unhealthy",
    };
}
