namespace ProxyKit.Testing;

/// <summary>One request of an <see cref="OpenLoad"/> and what came of it.</summary>
/// <param name="Kind">What it was.</param>
/// <param name="Number">Its number, from 0.</param>
/// <param name="At">When it was due, from the start of the load.</param>
/// <param name="End">How it ended.</param>
/// <param name="Elapsed">From when it was due, not from when it was sent, to the last byte or the failure: a wait for a connection counts.</param>
public sealed record LoadRequest(LoadKind Kind, int Number, TimeSpan At, LoadEnd End, TimeSpan Elapsed)
{
    /// <summary>The answer's status; null where there was no answer.</summary>
    public int? Status { get; init; }

    /// <summary>The backend that answered (<see cref="LoadCall.ServerField"/>).</summary>
    public string? Server { get; init; }

    /// <summary>Whether the answer set a cookie.</summary>
    public bool SetsCookie { get; init; }

    /// <summary>Bytes of the answer's body that came.</summary>
    public long Received { get; init; }

    /// <summary>What went wrong, in words.</summary>
    public string? Fault { get; init; }

    /// <summary>Whether the whole answer came, as the backend gave it.</summary>
    public bool IsServed => End == LoadEnd.Served;

    /// <summary>Whether a gateway could have asked another backend: the method allows it, and the client had been told nothing.</summary>
    public bool IsRepeatable => Kind != LoadKind.Post && End is LoadEnd.Refused or LoadEnd.Unanswered;
}

/// <summary>How a request of an <see cref="OpenLoad"/> ended.</summary>
public enum LoadEnd
{
    /// <summary>The whole answer came, byte for byte.</summary>
    Served,

    /// <summary>The answer was another than 200.</summary>
    Refused,

    /// <summary>No head of an answer came: the connection could not be made, or broke, or the time was over.</summary>
    Unanswered,

    /// <summary>The head came, and the body broke off so that the client could see it.</summary>
    Cut,

    /// <summary>The body ended as a whole one does and was shorter. A client believes it, and a cache keeps it: this must never happen.</summary>
    Shortened,

    /// <summary>The body had other bytes than the backend sent. This must never happen either.</summary>
    Wrong,

    /// <summary>It was not sent, as too many were under way (<see cref="LoadOptions.MaxOutstanding"/>).</summary>
    NotSent,
}
