using System.Collections.Concurrent;

namespace ProxyKit.FailureMatrix.Tests;

/// <summary>Every attempt of a gateway, as its pools learn of it.</summary>
internal sealed class Attempts(TimeProvider time) : IOutcomeObserver
{
    private readonly ConcurrentQueue<(long At, string Destination, Outcome Outcome)> _all = [];

    public int Count => _all.Count(entry => IsAttempt(entry.Outcome));

    public int Failed => _all.Count(entry => entry.Outcome.IsFailure);

    public long Now => time.GetTimestamp();

    public void OnOutcome(Pool pool, Member member, in Outcome outcome) => _all.Enqueue((time.GetTimestamp(), member.Destination.Name, outcome));

    /// <summary>Those at a destination that ended since a moment.</summary>
    public IReadOnlyList<Outcome> At(string destination, long since = 0) =>
        [.. _all.Where(entry => entry.Destination == destination && entry.At >= since).Select(entry => entry.Outcome)];

    /// <summary>How many attempts there were at a destination, all told.</summary>
    public int CountAt(string destination, long since = 0) => At(destination, since).Count(IsAttempt);

    // A body breaks in an attempt that has been counted; what was abandoned may never have been sent.
    private static bool IsAttempt(Outcome outcome) => outcome.Kind is not (OutcomeKind.BodyBroken or OutcomeKind.Abandoned);
}
