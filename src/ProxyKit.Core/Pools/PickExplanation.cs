using System.Collections.Immutable;

namespace ProxyKit;

/// <summary>Why a pool would choose as it does, for people: a page, a log, a test.</summary>
/// <param name="Chosen">The member chosen; null where none could be.</param>
/// <param name="Policy">The policy's name.</param>
/// <param name="Reason">Why: stickiness, what the policy says of its choice, or why there is none.</param>
/// <param name="Candidates">What was known of each member.</param>
public sealed record PickExplanation(string? Chosen, string Policy, string Reason, ImmutableArray<PickCandidate> Candidates)
{
    /// <inheritdoc/>
    public override string ToString() =>
        $"{Policy}: {Chosen ?? "none"} ({Reason}); {string.Join(", ", Candidates.Select(candidate => $"{candidate.Name} {candidate.Standing} at load {candidate.Load:0.##}/{candidate.Weight:0.##}"))}";
}

/// <summary>One member as an explanation sees it.</summary>
/// <param name="Name">The destination's name.</param>
/// <param name="Standing">Whether it could be picked: <c>available</c>, <c>degraded</c>, <c>trial</c>, <c>down</c>, <c>draining</c>, <c>off</c>, <c>tried</c>, <c>full</c> or <c>weightless</c>.</param>
/// <param name="Weight">The weight that counts now.</param>
/// <param name="Load">Requests in flight and what failures add to them.</param>
public sealed record PickCandidate(string Name, string Standing, double Weight, double Load);
