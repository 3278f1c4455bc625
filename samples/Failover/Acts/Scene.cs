namespace Failover;

/// <summary>What came of an act with one gateway.</summary>
internal sealed record Scene(string Gateway, LoadReport Report, int Twice, Tries Tries, Stage Stage)
{
    private static readonly TimeSpan Second = TimeSpan.FromSeconds(1);

    /// <summary>p99 in the second before the fault.</summary>
    public TimeSpan? Before => Stage.Fault is { } fault ? Report.Between(fault.At - Second, fault.At).Latency(0.99) : null;

    /// <summary>p99 in the second of the fault.</summary>
    public TimeSpan? Within => Stage.Fault is { } fault ? Report.Between(fault.At, fault.At + Second).Latency(0.99) : null;

    /// <summary>How long the gateway went on trying the dead; null where nobody died, or it never stopped.</summary>
    public TimeSpan? Ejection => Stage is { Fault: { } fault, Faulty: { Count: > 0 } faulty }
        && faulty.Select(backend => Tries.LeftAlone(backend.Name, fault.Clock, Stage.Back?.Clock ?? long.MaxValue)).ToList() is var times && times.TrueForAll(time => time is not null)
            ? times.Max()
            : null;

    /// <summary>How many attempts failed at the dead while they were.</summary>
    public int Wasted => Stage.Fault is { } fault ? Tries.Failed.Count(entry => Stage.Faulty.Any(backend => backend.Name == entry.Backend) && entry.At >= fault.Clock && entry.At < (Stage.Back?.Clock ?? long.MaxValue)) : 0;

    /// <summary>From when they listened again to the first answer from one of them.</summary>
    public TimeSpan? Recovery => Stage.Back is { } back
        && Report.Requests.Where(request => request.IsServed && request.At + request.Elapsed > back.At && Stage.Faulty.Any(backend => backend.Name == request.Server)).Select(request => request.At + request.Elapsed).DefaultIfEmpty(TimeSpan.MaxValue).Min() is var first
        && first < TimeSpan.MaxValue
            ? first - back.At
            : null;

    /// <summary>What the columns do not say.</summary>
    public IEnumerable<string> Notes()
    {
        if (Stage.Fault is not { } fault)
        {
            yield break;
        }

        // Without the time in which new processes want the whole machine.
        var after = Report.Between(fault.At, Stage.Starting ?? TimeSpan.MaxValue);
        foreach (var (status, count) in Report.Refusals.OrderBy(entry => entry.Key))
        {
            yield return FormattableString.Invariant($"{count} × {status}, p99 {Table.Ms(after.Where(request => request.End == LoadEnd.Refused && request.Status == status).Latency(0.99))} ms");
        }

        if (Report.Requests.Count(request => request is { End: LoadEnd.Unanswered }) is > 0 and var unanswered)
        {
            yield return $"{unanswered} without an answer";
        }

        if (Report.NotSent > 0)
        {
            yield return $"{Report.NotSent} not sent, as too many were under way";
        }

        if (Stage.Slow is { } slow)
        {
            yield return FormattableString.Invariant($"the slow one served {after.Share(slow.Name) * 100:0.0} %; p99 since then {Table.Ms(after.Latency(0.99))} ms");
        }

        if (after.Requests.Count(request => request.Elapsed >= Second) is > 0 and var delayed)
        {
            yield return FormattableString.Invariant($"{delayed} took 1 s or more, at most {Table.Ms(after.Latency(1))} ms");
        }
    }
}
