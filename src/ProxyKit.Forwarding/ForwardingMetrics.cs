using System.Diagnostics;
using System.Diagnostics.Metrics;

namespace ProxyKit.Forwarding;

/// <summary>What forwarding measures and traces. Names and units follow OpenTelemetry's semantic conventions.</summary>
internal sealed class ForwardingMetrics
{
    public const string Name = "ProxyKit.Forwarding";

    /// <summary>Spans of attempts; with no listener nothing is made.</summary>
    public static readonly ActivitySource Source = new(Name);

    private readonly Histogram<double> _attempts;
    private readonly Counter<long> _retries;
    private readonly Counter<long> _refusals;
    private readonly Counter<long> _mirrored;

    public ForwardingMetrics(IMeterFactory meters)
    {
        var meter = meters.Create(Name);
        _attempts = meter.CreateHistogram<double>(
            "proxykit.forwarding.attempt.duration",
            unit: "s",
            description: "Time from picking a member to its response's head or its failure.",
            advice: new InstrumentAdvice<double> { HistogramBucketBoundaries = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10] });
        _retries = meter.CreateCounter<long>("proxykit.forwarding.retries", unit: "{attempt}", description: "Attempts after the first, by kind: retry, hedge, or denied by the budget.");
        _refusals = meter.CreateCounter<long>("proxykit.forwarding.refusals", unit: "{request}", description: "Requests that the gateway answered itself, by status and reason.");
        _mirrored = meter.CreateCounter<long>("proxykit.forwarding.mirrored", unit: "{request}", description: "Requests copied to another pool, by whether the copy was sent.");
    }

    public bool MeasuresAttempts => _attempts.Enabled;

    public void AttemptEnded(string pool, string destination, OutcomeKind kind, int? status, TimeSpan elapsed)
    {
        var tags = new TagList
        {
            { "proxykit.pool.name", pool },
            { "proxykit.destination.name", destination },
            { "proxykit.attempt.outcome", Text(kind) },
        };
        if (status is { } code)
        {
            tags.Add("http.response.status_code", code);
        }

        _attempts.Record(elapsed.TotalSeconds, tags);
    }

    public void Retried(string pool, string kind) => _retries.Add(1, new("proxykit.pool.name", pool), new("proxykit.retry.kind", kind));

    public void Refused(string pool, int status, string reason) =>
        _refusals.Add(1, new("proxykit.pool.name", pool), new("http.response.status_code", status), new("proxykit.refusal.reason", reason));

    public void Mirrored(string pool, string result) => _mirrored.Add(1, new("proxykit.pool.name", pool), new("proxykit.mirror.result", result));

    public static string Text(OutcomeKind kind) => kind switch
    {
        OutcomeKind.Answered => "answered",
        OutcomeKind.NotConnected => "not_connected",
        OutcomeKind.TimedOut => "timed_out",
        OutcomeKind.Broken => "broken",
        OutcomeKind.BodyBroken => "body_broken",
        _ => "abandoned",
    };
}
