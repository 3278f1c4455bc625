namespace ProxyKit.Forwarding;

/// <summary>How destinations of a pool are spoken to.</summary>
public sealed record UpstreamOptions : IValidatable, ICopyable<UpstreamOptions>
{
    /// <summary>The version of HTTP. The default is <see cref="UpstreamProtocol.Auto"/>.</summary>
    public UpstreamProtocol Protocol { get; set; }

    /// <summary>What the <c>Host</c> field says. The default is <see cref="HostHeader.Auto"/>.</summary>
    public HostHeader Host { get; set; }

    /// <summary>Connections that each destination may have at once; 0 means any number. Bound requests with <see cref="LimitOptions"/> rather: those over it fail over or queue with a deadline. The default is 0.</summary>
    public int MaxConnections { get; set; }

    /// <summary>How long an unused connection is kept, to a quarter of that time or a second, whichever is more. With that it should be shorter than the destination's own limit, or a request may meet its end. The default is 55 s.</summary>
    public TimeSpan IdleTimeout { get; set; } = TimeSpan.FromSeconds(55);

    /// <summary>How old a connection may get before a new one replaces it, so that a changed address is noticed; 0 for any age. The default is 10 minutes.</summary>
    public TimeSpan ConnectionLifetime { get; set; } = TimeSpan.FromMinutes(10);

    /// <summary>The greatest size of a response's head, in KiB. The default is 64.</summary>
    public int MaxResponseHeadersKiB { get; set; } = 64;

    /// <summary>
    /// Whether interim responses, such as 103 (Early Hints), go on from a destination on HTTP/1.1 to a client on HTTP/1.1: at most 16 of them and
    /// 16 KiB for each request; 100 has its own way. Clients that expect 100 get no others, nor does a route with response transforms send any, because
    /// transforms see only the final response. Turn it off for clients that take the first head for the last. The default is true.
    /// </summary>
    public bool ForwardInformational { get; set; } = true;

    /// <summary>Whether certificates of destinations go unchecked: for tests only. The default is false.</summary>
    public bool DangerousAcceptAnyCertificate { get; set; }

    /// <inheritdoc/>
    public UpstreamOptions Copy() => this with { };

    /// <inheritdoc/>
    public IEnumerable<string> Faults()
    {
        if (MaxConnections < 0)
        {
            yield return $"{nameof(MaxConnections)} is {MaxConnections}; it must be 0 (any number) or more.";
        }

        if (IdleTimeout < TimeSpan.Zero || IdleTimeout > TimeSpan.FromDays(1))
        {
            yield return $"{nameof(IdleTimeout)} is {IdleTimeout}; it must be 0 (keep none) to a day.";
        }

        if (ConnectionLifetime < TimeSpan.Zero || ConnectionLifetime > TimeSpan.FromDays(30))
        {
            yield return $"{nameof(ConnectionLifetime)} is {ConnectionLifetime}; it must be 0 (any age) to 30 days.";
        }

        if (MaxResponseHeadersKiB is < 1 or > 1024)
        {
            yield return $"{nameof(MaxResponseHeadersKiB)} is {MaxResponseHeadersKiB}; it must be 1 to 1024.";
        }

        if (!Enum.IsDefined(Protocol))
        {
            yield return $"{nameof(Protocol)} is {Protocol}; it must be one of {string.Join(", ", Enum.GetNames<UpstreamProtocol>())}.";
        }

        if (!Enum.IsDefined(Host))
        {
            yield return $"{nameof(Host)} is {Host}; it must be one of {string.Join(", ", Enum.GetNames<HostHeader>())}.";
        }
    }
}

/// <summary>The version of HTTP towards destinations.</summary>
public enum UpstreamProtocol
{
    /// <summary>What TLS negotiates on <c>https</c>; on <c>http</c>, HTTP/2 for gRPC and HTTP/1.1 for all else.</summary>
    Auto,

    /// <summary>HTTP/1.1 always.</summary>
    Http1,

    /// <summary>HTTP/2 always, on <c>http</c> with prior knowledge (RFC 9113 §3.3).</summary>
    Http2,
}

/// <summary>What the <c>Host</c> field says to a destination.</summary>
public enum HostHeader
{
    /// <summary>What the client said, on <c>http</c>; on <c>https</c> the destination's own name, which its certificate must bear.</summary>
    Auto,

    /// <summary>What the client said. On <c>https</c> connections are then kept for each name apart, so bound the names with <c>AllowedHosts</c>.</summary>
    Original,

    /// <summary>The destination's own name and port.</summary>
    Destination,
}
