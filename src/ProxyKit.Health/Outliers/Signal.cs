namespace ProxyKit.Health;

/// <summary>What an outcome says of the member.</summary>
internal enum Signal
{
    /// <summary>Nothing: the client left, or the member asked politely to be left alone.</summary>
    None,

    /// <summary>It serves.</summary>
    Fine,

    /// <summary>No connection.</summary>
    NotConnected,

    /// <summary>It, or what stands behind it, cannot be reached or does not answer.</summary>
    GatewayError,

    /// <summary>The answer that was taken for fine broke midway.</summary>
    BodyBroken,

    /// <summary>It answers, with an error of its own.</summary>
    ServerError,
}

/// <summary>Reads outcomes as signals.</summary>
internal static class Signals
{
    public static Signal Of(in Outcome outcome) => outcome.Kind switch
    {
        OutcomeKind.Answered => outcome.Status switch
        {
            503 when outcome.RetryAfter is not null => Signal.None,
            502 or 503 or 504 => Signal.GatewayError,
            >= 500 => Signal.ServerError,
            _ => Signal.Fine,
        },
        OutcomeKind.NotConnected => Signal.NotConnected,
        OutcomeKind.TimedOut or OutcomeKind.Broken => Signal.GatewayError,
        OutcomeKind.BodyBroken => Signal.BodyBroken,
        _ => Signal.None,
    };
}
