namespace ProxyKit.Forwarding;

/// <summary>How long each part of forwarding may take. Every limit has a name, and the error says which one was reached; zero switches one off.</summary>
public sealed record TimeoutOptions : IValidatable, ICopyable<TimeoutOptions>
{
    /// <summary>Resolving the name and opening the connection. The default is 2 s.</summary>
    public TimeSpan Connect { get; set; } = TimeSpan.FromSeconds(2);

    /// <summary>The TLS handshake with the destination, after the connection is open. The default is 5 s.</summary>
    public TimeSpan Tls { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>Waiting for the client's next piece of the request's body, or for the destination to take it. The default is 60 s.</summary>
    public TimeSpan RequestBody { get; set; } = TimeSpan.FromSeconds(60);

    /// <summary>From the end of what is sent to the response's head; for each attempt. The default is 60 s.</summary>
    public TimeSpan FirstByte { get; set; } = TimeSpan.FromSeconds(60);

    /// <summary>Waiting for the destination's next piece of the response's body. The default is 60 s.</summary>
    public TimeSpan ReadIdle { get; set; } = TimeSpan.FromSeconds(60);

    /// <summary>Waiting for the client to take a piece of the response's body. The default is 60 s.</summary>
    public TimeSpan WriteIdle { get; set; } = TimeSpan.FromSeconds(60);

    /// <summary>The whole request, all attempts and both bodies. Off by default: streams may last.</summary>
    public TimeSpan Total { get; set; }

    /// <summary>An upgraded connection (a WebSocket) on which nothing moves either way. The default is 10 minutes.</summary>
    public TimeSpan UpgradeIdle { get; set; } = TimeSpan.FromMinutes(10);

    /// <inheritdoc/>
    public TimeoutOptions Copy() => this with { };

    /// <inheritdoc/>
    public IEnumerable<string> Faults()
    {
        foreach (var (name, value) in All())
        {
            if (value < TimeSpan.Zero || value > TimeSpan.FromDays(1))
            {
                yield return $"{name} is {value}; it must be 0 (off) to a day.";
            }
        }

        if (Total > TimeSpan.Zero)
        {
            foreach (var (name, value) in All())
            {
                if (name is not (nameof(Total) or nameof(UpgradeIdle)) && value > Total && value != Default(name))
                {
                    yield return $"{name} is {value} and {nameof(Total)} is {Total}; it can never be reached, so lower it or raise {nameof(Total)}.";
                }
            }
        }
    }

    private IEnumerable<(string Name, TimeSpan Value)> All() =>
    [
        (nameof(Connect), Connect), (nameof(Tls), Tls), (nameof(RequestBody), RequestBody), (nameof(FirstByte), FirstByte),
        (nameof(ReadIdle), ReadIdle), (nameof(WriteIdle), WriteIdle), (nameof(Total), Total), (nameof(UpgradeIdle), UpgradeIdle),
    ];

    // A default above Total is not the user's mistake.
    private static TimeSpan Default(string name) => name switch
    {
        nameof(Connect) => TimeSpan.FromSeconds(2),
        nameof(Tls) => TimeSpan.FromSeconds(5),
        _ => TimeSpan.FromSeconds(60),
    };
}

/// <summary>Which limit of <see cref="TimeoutOptions"/> was reached.</summary>
public enum TimeoutKind
{
    /// <summary>None.</summary>
    None,

    /// <summary><see cref="TimeoutOptions.Connect"/>.</summary>
    Connect,

    /// <summary><see cref="TimeoutOptions.Tls"/>.</summary>
    Tls,

    /// <summary><see cref="TimeoutOptions.RequestBody"/>.</summary>
    RequestBody,

    /// <summary><see cref="TimeoutOptions.FirstByte"/>.</summary>
    FirstByte,

    /// <summary><see cref="TimeoutOptions.ReadIdle"/>.</summary>
    ReadIdle,

    /// <summary><see cref="TimeoutOptions.WriteIdle"/>.</summary>
    WriteIdle,

    /// <summary><see cref="TimeoutOptions.Total"/>.</summary>
    Total,

    /// <summary><see cref="TimeoutOptions.UpgradeIdle"/>.</summary>
    UpgradeIdle,

    /// <summary><see cref="LimitOptions.QueueTimeout"/>.</summary>
    Queue,
}
