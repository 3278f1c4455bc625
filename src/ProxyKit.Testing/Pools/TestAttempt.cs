namespace ProxyKit.Testing;

/// <summary>One attempt in a <see cref="TestPool"/>, for which an outcome is wanted.</summary>
/// <param name="Request">The number of the request, from 0.</param>
/// <param name="Attempt">The number of the attempt within it, from 1.</param>
/// <param name="Member">Whom it was sent to.</param>
/// <param name="At">The time since the run began.</param>
public readonly record struct TestAttempt(int Request, int Attempt, Member Member, TimeSpan At)
{
    /// <summary>The name of the destination.</summary>
    public string Destination => Member.Destination.Name;

    /// <summary>An answer of that status after <paramref name="elapsed"/>.</summary>
    public static Outcome Answered(TimeSpan elapsed = default, int status = 200) => new(OutcomeKind.Answered, elapsed, status);

    /// <summary>A failure after <paramref name="elapsed"/>.</summary>
    public static Outcome Failed(OutcomeKind kind = OutcomeKind.NotConnected, TimeSpan elapsed = default) => new(kind, elapsed);
}
