using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Text;

namespace ProxyKit.Forwarding;

/// <summary>Makes the handler that speaks to a pool's destinations.</summary>
internal static class UpstreamHandler
{
    /// <summary>What of a pool's settings the handler is made from: where it changes, another handler is made.</summary>
    public readonly record struct Recipe(UpstreamOptions Options, TimeSpan Connect, TimeSpan Tls)
    {
        public static Recipe Of(PoolSettings settings)
        {
            var timeouts = settings.Get<TimeoutOptions>() ?? new TimeoutOptions();
            return new(settings.Get<UpstreamOptions>() ?? new UpstreamOptions(), timeouts.Connect, timeouts.Tls);
        }
    }

    public static SocketsHttpHandler Create(Recipe recipe)
    {
        var (options, connect, tls) = recipe;
        var handler = new SocketsHttpHandler
        {
            // A gateway hands on what it gets: nothing followed, kept, decoded, proxied or traced on its own account.
            AllowAutoRedirect = false,
            UseCookies = false,
            UseProxy = false,
            AutomaticDecompression = DecompressionMethods.None,
            ActivityHeadersPropagator = null,
            EnableMultipleHttp2Connections = true,
            PooledConnectionIdleTimeout = options.IdleTimeout,
            PooledConnectionLifetime = options.ConnectionLifetime == TimeSpan.Zero ? Timeout.InfiniteTimeSpan : options.ConnectionLifetime,
            MaxConnectionsPerServer = options.MaxConnections == 0 ? int.MaxValue : options.MaxConnections,
            MaxResponseHeadersLength = options.MaxResponseHeadersKiB,
            Expect100ContinueTimeout = TimeSpan.FromSeconds(1),
            ConnectTimeout = connect > TimeSpan.Zero && tls > TimeSpan.Zero ? connect + tls : Timeout.InfiniteTimeSpan,
            RequestHeaderEncodingSelector = static (_, request) => request is ForwardedRequest { IsAscii: true } ? null : Encoding.Latin1,
            ResponseHeaderEncodingSelector = static (_, _) => Encoding.Latin1,
            ConnectCallback = (context, cancellationToken) => ConnectAsync(context.DnsEndPoint, connect, cancellationToken),
        };
        var tapped = options.ForwardInformational;
        handler.PlaintextStreamFilter = (context, _) => ValueTask.FromResult<Stream>(
            context.NegotiatedHttpVersion.Major != 1 ? new LastWords(context.PlaintextStream)
            : tapped ? new InterimTap(context.PlaintextStream)
            : context.PlaintextStream);

        if (options.DangerousAcceptAnyCertificate)
        {
#pragma warning disable CA5359 // the option's name says it
            handler.SslOptions = new SslClientAuthenticationOptions { RemoteCertificateValidationCallback = static (_, _, _, _) => true };
#pragma warning restore CA5359
        }

        return handler;
    }

    private static async ValueTask<Stream> ConnectAsync(DnsEndPoint target, TimeSpan limit, CancellationToken cancellationToken)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            if (limit <= TimeSpan.Zero)
            {
                await socket.ConnectAsync(target, cancellationToken);
            }
            else
            {
                using var timeout = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
                timeout.CancelAfter(limit);
                try
                {
                    await socket.ConnectAsync(target, timeout.Token);
                }
                catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
                {
                    throw new ConnectTimeoutException(limit);
                }
            }

            return new NetworkStream(socket, ownsSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }
}
