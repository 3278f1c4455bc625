namespace ProxyKit.Health;

/// <summary>What probing thinks of a destination, and how far it is on the way to think otherwise. It never changes; each result makes another.</summary>
/// <param name="Availability">What it thinks.</param>
/// <param name="Reason">Why.</param>
/// <param name="Streak">Failures in a row of one that is used, or successes of one that is down: what speaks against the verdict.</param>
/// <param name="IsJudged">Whether it rests on any probe.</param>
internal readonly record struct ProbeVerdict(Availability Availability, string? Reason, int Streak, bool IsJudged)
{
    /// <summary>Of one that was not probed yet: what the pool believes of it, which is the best unless it must be proven first.</summary>
    public static ProbeVerdict Of(Member member)
    {
        foreach (var belief in member.Beliefs)
        {
            if (belief.Source == Probing.Source)
            {
                return new(belief.Availability, belief.Reason, 0, false);
            }
        }

        return new(Availability.Up, null, 0, false);
    }

    /// <summary>When it is probed next, from the start of the last.</summary>
    public TimeSpan IntervalOf(ProbeOptions options) =>
        Streak > 0 ? options.Faster
        : Availability == Availability.Down ? options.DownInterval
        : options.Interval;

    /// <summary>The verdict after one more probe.</summary>
    public ProbeVerdict After(in ProbeResult result, ProbeOptions options)
    {
        // Where somebody waits for the first verdict, the first probe is it.
        var isFirst = !IsJudged && (Availability == Availability.Down || options.ProveFirst || options.WaitForFirst);
        switch (result.Status)
        {
            case ProbeStatus.Unhealthy when Availability != Availability.Down && !isFirst && Streak + 1 < options.Fall:
                return this with { Streak = Streak + 1 };
            case ProbeStatus.Unhealthy or ProbeStatus.Down:
                return new(Availability.Down, result.Reason, 0, true);
            default:
                // What it says of itself needs no second time; that it can serve again does.
                return Availability == Availability.Down && !isFirst && Streak + 1 < options.Rise
                    ? this with { Streak = Streak + 1 }
                    : new(Of(result.Status), result.Status == ProbeStatus.Healthy ? null : result.Reason, 0, true);
        }
    }

    private static Availability Of(ProbeStatus status) => status switch
    {
        ProbeStatus.Degraded => Availability.Degraded,
        ProbeStatus.Draining => Availability.Draining,
        _ => Availability.Up,
    };
}
