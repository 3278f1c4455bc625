using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;

namespace ProxyKit.Health.Tests.Probes;

/// <summary>Shakes hands with whoever connects, and remembers the names that it was asked for.</summary>
internal sealed class TlsServer : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _life = new();
    private readonly Task _serving;

    public TlsServer(X509Certificate2 certificate)
    {
        _listener.Start();
        Address = new Uri($"tcp://{_listener.LocalEndpoint}");
        _serving = ServeAsync(certificate);
    }

    public Uri Address { get; }

    public List<string> Names { get; } = [];

    public async ValueTask DisposeAsync()
    {
        await _life.CancelAsync();
        _listener.Stop();
        await _serving;
        _life.Dispose();
    }

    private async Task ServeAsync(X509Certificate2 certificate)
    {
        try
        {
            while (true)
            {
                using var socket = await _listener.AcceptSocketAsync(_life.Token);
                await using var tls = new SslStream(new NetworkStream(socket));
                try
                {
                    await tls.AuthenticateAsServerAsync(new SslServerAuthenticationOptions { ServerCertificate = certificate }, _life.Token);
                    Names.Add(tls.TargetHostName);
                    await tls.ReadAtLeastAsync(new byte[1], 1, throwOnEndOfStream: false, _life.Token);
                }
                catch (Exception fault) when (fault is AuthenticationException or IOException)
                {
                    // The client does not believe it.
                }
            }
        }
        catch (Exception fault) when (fault is OperationCanceledException or SocketException or ObjectDisposedException or InvalidOperationException)
        {
            // Over.
        }
    }
}
