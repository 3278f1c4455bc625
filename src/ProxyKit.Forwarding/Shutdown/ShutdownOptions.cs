namespace ProxyKit.Forwarding;

/// <summary>How the gateway stops. One setting for the whole host, read once.</summary>
/// <remarks>
/// Whatever ends the process from outside must wait longer than <see cref="Delay"/> and <see cref="Timeout"/> together:
/// <c>terminationGracePeriodSeconds</c> of Kubernetes (30 s by default), <c>TimeoutStopSec</c> of systemd (90 s), <c>--stop-timeout</c> of Docker (10 s).
/// </remarks>
public sealed record ShutdownOptions : IValidatable, ICopyable<ShutdownOptions>
{
    /// <summary>
    /// How long the gateway goes on serving once the host was told to stop, while every answer says that it leaves (<c>Connection: close</c>,
    /// RFC 9112 §9.6; on HTTP/2 <c>GOAWAY</c>, RFC 9113 §6.8) and its readiness is gone: as long as the balancer in front needs to notice. The default
    /// is 0: it stops listening at once.
    /// </summary>
    public TimeSpan Delay { get; set; }

    /// <summary>How long what runs after <see cref="Delay"/> may go on; then it is cut. 0 cuts at once. The default is 30 s.</summary>
    public TimeSpan Timeout { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>When WebSockets, which do not finish by themselves, are told to go (close code 1001, RFC 6455 §7.4.1). The default is after <see cref="Delay"/>.</summary>
    public WebSocketFarewell WebSockets { get; set; }

    /// <summary>
    /// Over how long WebSockets are told after <see cref="Delay"/>, each at a moment of its own drawn by chance, so that thousands do not connect
    /// anew elsewhere in the same second. At most <see cref="Timeout"/>. The default is 0: all at once.
    /// </summary>
    public TimeSpan WebSocketSpread { get; set; }

    /// <inheritdoc/>
    public ShutdownOptions Copy() => this with { };

    /// <inheritdoc/>
    public IEnumerable<string> Faults()
    {
        foreach (var (name, value) in ((string, TimeSpan)[])[(nameof(Delay), Delay), (nameof(Timeout), Timeout), (nameof(WebSocketSpread), WebSocketSpread)])
        {
            if (value < TimeSpan.Zero || value > TimeSpan.FromDays(1))
            {
                yield return $"{name} is {value}; it must be 0 to a day.";
            }
        }

        if (!Enum.IsDefined(WebSockets))
        {
            yield return $"{nameof(WebSockets)} is {WebSockets}; it must be one of {string.Join(", ", Enum.GetNames<WebSocketFarewell>())}.";
        }

        if (WebSocketSpread > TimeSpan.Zero && WebSockets == WebSocketFarewell.AtTimeout)
        {
            yield return $"{nameof(WebSocketSpread)} is {WebSocketSpread} and {nameof(WebSockets)} is {WebSockets}, when there is no time left to spread over; set one or the other.";
        }
        else if (WebSocketSpread > Timeout)
        {
            yield return $"{nameof(WebSocketSpread)} is {WebSocketSpread} and {nameof(Timeout)} is {Timeout}; it must not be more.";
        }
    }
}

/// <summary>When WebSockets are told that the gateway leaves.</summary>
public enum WebSocketFarewell
{
    /// <summary>After <see cref="ShutdownOptions.Delay"/>, when the gateway has stopped listening: a client that connects anew comes to another one.</summary>
    AfterDelay,

    /// <summary>At the end of <see cref="ShutdownOptions.Timeout"/>: they go on as long as they may, and every stop takes as long.</summary>
    AtTimeout,
}
