using System.Diagnostics.CodeAnalysis;

using Microsoft.Extensions.Hosting;

namespace ProxyKit;

/// <summary>Whether the gateway is leaving: a singleton of the host, for whatever tells a balancer or a person so.</summary>
/// <remarks>It leaves from the moment that the host is told to stop, and goes on serving for a while after that. There is no way back.</remarks>
[SuppressMessage("Reliability", "CA1001", Justification = "Its source has no timer and no handle; it goes with the object.")]
public sealed class GatewayLifetime
{
    private readonly CancellationTokenSource _leaving = new();

    /// <summary>One that leaves when <see cref="Leave"/> says so.</summary>
    public GatewayLifetime()
    {
    }

    internal GatewayLifetime(IHostApplicationLifetime? host) =>
        host?.ApplicationStopping.UnsafeRegister(static lifetime => ((GatewayLifetime)lifetime!).Leave(), this);

    /// <summary>Whether it is leaving: nothing new should be sent to it.</summary>
    public bool IsLeaving => _leaving.IsCancellationRequested;

    /// <summary>Cancelled when it begins to leave.</summary>
    public CancellationToken Leaving => _leaving.Token;

    /// <summary>Says that it leaves, ahead of the host: for whoever takes it out of service by hand. Later calls change nothing.</summary>
    public void Leave() => _leaving.Cancel();
}
