namespace ProxyKit.Health;

/// <summary>Takes members out whose requests end badly (<see cref="OutlierOptions"/>), before the next pick, and tries them again after a while.</summary>
/// <remarks>
/// It says what it thinks as the source <c>outliers</c> (<see cref="Pool.Believe"/>): down, then on trial with one request at a time, then up. One object
/// serves any number of pools; those without options it lets be. A request that ends well costs no lock, no lookup and no allocation.
/// </remarks>
public sealed class OutlierDetection : IOutcomeObserver
{
    /// <summary>The source of its beliefs.</summary>
    internal const string Source = "outliers";

    /// <summary>The source of what probes believe.</summary>
    internal const string Probe = "probe";

    private readonly HealthMetrics? _metrics;

    /// <summary>One that measures nothing, for pools without a host.</summary>
    public OutlierDetection()
    {
    }

    internal OutlierDetection(HealthMetrics metrics) => _metrics = metrics;

    /// <inheritdoc/>
    public void OnOutcome(Pool pool, Member member, in Outcome outcome)
    {
        var watch = pool.Notes.Of<OutlierWatch>();
        if (watch.IsStale(pool))
        {
            watch.Metrics = _metrics;
            watch.TakeUp(pool);
        }

        if (watch.Options is not { } options || Signals.Of(outcome) is var signal && signal == Signal.None)
        {
            return;
        }

        var tally = member.Notes.Of<Tally>();
        switch (tally.Place)
        {
            case Place.In when signal == Signal.Fine:
                tally.Fine(outcome.Elapsed);
                break;
            case Place.In when tally.Failed(signal, outcome.Kind == OutcomeKind.Answered, options) is var (kind, count):
                watch.Eject(pool, member, outcome, kind, count);
                break;
            case Place.OnTrial:
                watch.EndTrial(pool, member, outcome, signal);
                break;
            default:
                break; // out: what was on its way still comes, and changes nothing
        }
    }

    /// <summary>Says that a probe of the member has just succeeded: with <see cref="OutlierOptions.ProbeUnejects"/> it is back.</summary>
    internal static void ProbeSucceeded(Pool pool, Member member)
    {
        if (member.Notes.Of<Tally>().Place != Place.In)
        {
            pool.Notes.Of<OutlierWatch>().ProbeSucceeded(member);
        }
    }
}
