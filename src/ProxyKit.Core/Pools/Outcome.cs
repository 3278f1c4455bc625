namespace ProxyKit;

/// <summary>How one attempt at one member ended. The only thing that flows back up to a pool.</summary>
/// <param name="Kind">What happened.</param>
/// <param name="Elapsed">From the pick to the response's head, or to the failure.</param>
/// <param name="Status">The member's HTTP status; null where it sent none.</param>
/// <param name="RetryAfter">How long the member asked to be left alone; null where it did not. The pool passes it over for as long, at most 5 minutes.</param>
/// <param name="Reported">How the member says it stands (<see cref="StateHeaderOptions"/>); null where it said nothing.</param>
public readonly record struct Outcome(OutcomeKind Kind, TimeSpan Elapsed, int? Status = null, TimeSpan? RetryAfter = null, Availability? Reported = null)
{
    /// <summary>Whether it speaks against the member: no connection, no answer, a broken one, or a 5xx.</summary>
    public bool IsFailure => Kind is OutcomeKind.Answered ? Status is >= 500 : Kind is not OutcomeKind.Abandoned;
}

/// <summary>What happened to an attempt.</summary>
public enum OutcomeKind
{
    /// <summary>The client left, or another attempt won, before the member answered; it says nothing of the member.</summary>
    Abandoned,

    /// <summary>The member answered; <see cref="Outcome.Status"/> says what.</summary>
    Answered,

    /// <summary>No connection: the request was never sent, so any method may be tried again.</summary>
    NotConnected,

    /// <summary>No answer in time.</summary>
    TimedOut,

    /// <summary>The connection broke after the request was sent, or the answer was no HTTP.</summary>
    Broken,

    /// <summary>The member answered and its body broke midway. Reported after <see cref="Answered"/>, never instead of it.</summary>
    BodyBroken,
}

/// <summary>Learns how every attempt ended.</summary>
public interface IOutcomeObserver
{
    /// <summary>Called for each report, on the request's thread: return quickly, throw nothing.</summary>
    void OnOutcome(Pool pool, Member member, in Outcome outcome);
}
