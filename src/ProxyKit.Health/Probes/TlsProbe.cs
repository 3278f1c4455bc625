using System.Globalization;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;

namespace ProxyKit.Health;

/// <summary>Connects, shakes hands over TLS and looks at the certificate.</summary>
public sealed record TlsProbe : IProbe, IValidatable, ICopyable<TlsProbe>
{
    /// <summary>The port; 0, the default, is the destination's own.</summary>
    public int Port { get; set; }

    /// <summary>The name that the certificate must bear; null, the default, leaves it to <see cref="Destination.Host"/> and then to the address.</summary>
    public string? ServerName { get; set; }

    /// <summary>Degraded from so long before the certificate expires; 0, the default, takes no notice.</summary>
    public TimeSpan DegradedBefore { get; set; }

    /// <summary>Unhealthy from so long before the certificate expires; 0, the default, once it has expired.</summary>
    public TimeSpan UnhealthyBefore { get; set; }

    /// <summary>Whether the certificate goes unchecked but for the two settings above: for tests only. The default is false.</summary>
    public bool DangerousAcceptAnyCertificate { get; set; }

    /// <inheritdoc/>
    public async ValueTask<ProbeResult> ProbeAsync(ProbeContext context, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(context);
        if (ProbeAddress.EndPointOf(context.Destination, Port) is not { } end)
        {
            return ProbeResult.Unhealthy("its address has no port");
        }

        using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        await socket.ConnectAsync(end, cancellationToken);
        await using var tls = new SslStream(new NetworkStream(socket));
        var options = new SslClientAuthenticationOptions { TargetHost = ServerName ?? ProbeAddress.NameOf(context.Destination) };
        if (DangerousAcceptAnyCertificate)
        {
#pragma warning disable CA5359 // what DangerousAcceptAnyCertificate asks for, false by default
            options.RemoteCertificateValidationCallback = static (_, _, _, _) => true;
#pragma warning restore CA5359
        }

        await tls.AuthenticateAsClientAsync(options, cancellationToken);
        return tls.RemoteCertificate is X509Certificate2 certificate
            ? Judge(certificate.NotAfter.ToUniversalTime(), context.Time.GetUtcNow())
            : ProbeResult.Healthy;
    }

    /// <inheritdoc/>
    public TlsProbe Copy() => this with { };

    /// <inheritdoc/>
    public IEnumerable<string> Faults()
    {
        if (ServerName is not null && Uri.CheckHostName(ServerName) == UriHostNameType.Unknown)
        {
            yield return $"{nameof(ServerName)} is '{ServerName}'; it must be a host's name without a port, such as 'orders.example'.";
        }

        if (UnhealthyBefore < TimeSpan.Zero || UnhealthyBefore > TimeSpan.FromDays(3650))
        {
            yield return $"{nameof(UnhealthyBefore)} is {UnhealthyBefore}; it must be 0 to 3650 days.";
        }

        if (DegradedBefore != TimeSpan.Zero && (DegradedBefore <= UnhealthyBefore || DegradedBefore > TimeSpan.FromDays(3650)))
        {
            yield return $"{nameof(DegradedBefore)} is {DegradedBefore}; it must be 0 (take no notice), or more than {nameof(UnhealthyBefore)} and at most 3650 days.";
        }

        foreach (var fault in ProbeAddress.Faults(Port))
        {
            yield return fault;
        }
    }

    private ProbeResult Judge(DateTimeOffset expires, DateTimeOffset now)
    {
        var left = expires - now;
        return left <= UnhealthyBefore ? ProbeResult.Unhealthy(Words(left <= TimeSpan.Zero))
            : left <= DegradedBefore ? ProbeResult.Degraded(Words(false))
            : ProbeResult.Healthy;

        string Words(bool isOver) => string.Create(CultureInfo.InvariantCulture, $"its certificate {(isOver ? "expired" : "expires")} on {expires:yyyy-MM-dd}");
    }
}
