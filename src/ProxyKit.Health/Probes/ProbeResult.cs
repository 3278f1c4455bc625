namespace ProxyKit.Health;

/// <summary>What came of one probe.</summary>
/// <param name="Status">How the destination stands.</param>
/// <param name="Reason">Why, in words for people, such as <c>answered 503</c>; null where there is nothing to say.</param>
public readonly record struct ProbeResult(ProbeStatus Status, string? Reason)
{
    /// <summary>It can serve.</summary>
    public static ProbeResult Healthy { get; } = new(ProbeStatus.Healthy, null);

    /// <summary>It can, but only what the others cannot carry; believed at once.</summary>
    public static ProbeResult Degraded(string reason) => new(ProbeStatus.Degraded, reason);

    /// <summary>It is about to leave; believed at once.</summary>
    public static ProbeResult Draining(string reason) => new(ProbeStatus.Draining, reason);

    /// <summary>It failed; believed after <see cref="ProbeOptions.Fall"/> in a row.</summary>
    public static ProbeResult Unhealthy(string reason) => new(ProbeStatus.Unhealthy, reason);

    /// <summary>It says so itself; believed at once.</summary>
    public static ProbeResult Down(string reason) => new(ProbeStatus.Down, reason);
}

/// <summary>How a destination stands by one probe.</summary>
public enum ProbeStatus
{
    /// <summary>It failed, which counts once it does so again and again.</summary>
    Unhealthy,

    /// <summary>It can serve.</summary>
    Healthy,

    /// <summary>It can, but only what the others cannot carry.</summary>
    Degraded,

    /// <summary>It is about to leave: known sessions alone may come.</summary>
    Draining,

    /// <summary>It says itself that it cannot.</summary>
    Down,
}
