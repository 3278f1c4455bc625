namespace ProxyKit;

/// <summary>What one source thinks of a destination.</summary>
/// <param name="Source">Who thinks so: <c>probe</c>, <c>outliers</c>, <c>retry-after</c>.</param>
/// <param name="Availability">What it thinks.</param>
/// <param name="Reason">Why, in words for people; null where it did not say.</param>
/// <param name="Since">Since when.</param>
public sealed record Belief(string Source, Availability Availability, string? Reason, DateTimeOffset Since);

/// <summary>Whether a destination should have traffic. Of several beliefs the one that stands last here counts.</summary>
public enum Availability
{
    /// <summary>It should.</summary>
    Up,

    /// <summary>It can, but only for what the others of its tier cannot carry.</summary>
    Degraded,

    /// <summary>One request at a time, to see whether it can again.</summary>
    Trial,

    /// <summary>Only the sessions that stick to it: it is about to leave.</summary>
    Draining,

    /// <summary>It should not.</summary>
    Down,
}

/// <summary>How a member stands, its state and the beliefs about it in one word.</summary>
public enum MemberStanding
{
    /// <summary>It takes new requests.</summary>
    Active,

    /// <summary>It takes what the others cannot carry (<see cref="Availability.Degraded"/>).</summary>
    Degraded,

    /// <summary>It takes one request at a time (<see cref="Availability.Trial"/>).</summary>
    Trial,

    /// <summary>It is drained, by command or by its own word; known sessions may go on.</summary>
    Draining,

    /// <summary>It is believed to be down.</summary>
    Down,

    /// <summary>It is switched off.</summary>
    Off,
}

/// <summary>A member of a pool stands otherwise than before.</summary>
/// <param name="Pool">The pool.</param>
/// <param name="Destination">The destination's name.</param>
/// <param name="Before">How it stood.</param>
/// <param name="After">How it stands.</param>
/// <param name="Source">Who brought that about: the source of a belief, or <c>control</c>.</param>
/// <param name="Reason">Why; null where nobody said.</param>
public sealed record MemberChange(Pool Pool, string Destination, MemberStanding Before, MemberStanding After, string Source, string? Reason);

/// <summary>Says that a new destination of the pool gets nothing until the named source believes in it. Whoever can prove it puts this into the settings.</summary>
/// <param name="Source">Whose belief it waits for.</param>
/// <param name="Reason">What is said of it until then.</param>
public sealed record ProvenFirst(string Source, string Reason);
