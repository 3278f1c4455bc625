namespace ProxyKit.Health;

/// <summary>Asks a destination whether it can serve. Write one for what <see cref="HttpProbe"/>, <see cref="TcpProbe"/>, <see cref="TlsProbe"/> and <see cref="GrpcProbe"/> cannot ask.</summary>
public interface IProbe
{
    /// <summary>
    /// Asks once. Probes of different destinations run side by side, those of one never overlap. Whatever it throws, and no answer until
    /// <paramref name="cancellationToken"/> is cancelled (<see cref="ProbeOptions.Timeout"/>), is <see cref="ProbeResult.Unhealthy"/>.
    /// </summary>
    /// <param name="context">Whom to ask, and by what means.</param>
    /// <param name="cancellationToken">Time is up, or nobody wants to know any more.</param>
    ValueTask<ProbeResult> ProbeAsync(ProbeContext context, CancellationToken cancellationToken);
}

/// <summary>One probe: whom to ask, and by what means.</summary>
/// <param name="destination">The destination.</param>
public sealed class ProbeContext(Destination destination)
{
    private readonly Func<HttpClient>? _client;

    /// <summary>The destination.</summary>
    public Destination Destination { get; } = destination ?? throw new ArgumentNullException(nameof(destination));

    /// <summary>The name of its pool; empty where there is none.</summary>
    public string Pool { get; init; } = "";

    /// <summary>The clock; the system's where none was set.</summary>
    public TimeProvider Time { get; init; } = TimeProvider.System;

    /// <summary>How destinations say how they stand; null where they do not (<see cref="StateHeaderOptions"/>).</summary>
    public StateHeaderOptions? StateHeader { get; init; }

    /// <summary>The client of the pool's probes (<see cref="ProbeBuilderExtensions.WithProbeClient"/>). It has no time limit of its own.</summary>
    /// <exception cref="InvalidOperationException">None was set.</exception>
    public HttpClient Client
    {
        get => _client?.Invoke() ?? throw new InvalidOperationException($"The probe of '{Destination.Name}' needs a client; set {nameof(ProbeContext)}.{nameof(Client)}.");
        init => _client = () => value;
    }

    /// <summary>Makes the client once one asks for it.</summary>
    internal Func<HttpClient> MakeClient
    {
        init => _client = value;
    }
}
