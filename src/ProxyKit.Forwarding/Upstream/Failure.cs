using System.Net.Sockets;

namespace ProxyKit.Forwarding;

/// <summary>Reads from an exception how an attempt ended.</summary>
internal static class Failure
{
    private const long RefusedStream = 0x7;

    /// <summary>
    /// How the attempt ended. <see cref="OutcomeKind.NotConnected"/> allows a POST to be sent again, so only what surely failed before
    /// anything was sent is called that; all doubt is <see cref="OutcomeKind.Broken"/>.
    /// </summary>
    public static (OutcomeKind Kind, TimeoutKind Timeout) Read(Exception fault, Deadline deadline)
    {
        if (deadline.Reached is not TimeoutKind.None and var reached)
        {
            return (OutcomeKind.TimedOut, reached);
        }

        for (var inner = fault; inner is not null; inner = inner.InnerException)
        {
            if (inner is ConnectTimeoutException)
            {
                return (OutcomeKind.NotConnected, TimeoutKind.Connect);
            }
        }

        return fault switch
        {
            HttpRequestException { HttpRequestError: HttpRequestError.NameResolutionError or HttpRequestError.ConnectionError or HttpRequestError.SecureConnectionError } =>
                (OutcomeKind.NotConnected, TimeoutKind.None),
            HttpRequestException { InnerException: SocketException { SocketErrorCode: SocketError.ConnectionRefused or SocketError.HostUnreachable or SocketError.NetworkUnreachable } } =>
                (OutcomeKind.NotConnected, TimeoutKind.None),
            // The destination promises not to have touched it (RFC 9113 §8.7).
            HttpRequestException { InnerException: HttpProtocolException { ErrorCode: RefusedStream } } => (OutcomeKind.NotConnected, TimeoutKind.None),
            OperationCanceledException when deadline.ClientLeft => (OutcomeKind.Abandoned, TimeoutKind.None),

            // The handler's own limit on connecting, which covers TCP and TLS: TCP has its own and would have told us.
            OperationCanceledException { InnerException: TimeoutException } => (OutcomeKind.NotConnected, TimeoutKind.Tls),
            OperationCanceledException => (OutcomeKind.Abandoned, TimeoutKind.None),
            _ => (OutcomeKind.Broken, TimeoutKind.None),
        };
    }

    /// <summary>
    /// Whether surely no whole request has left, however the attempt ended: its content was never asked for, and that comes right after the head on
    /// HTTP/1.1 and on HTTP/2. The connection was lost between its choice and its first use.
    /// </summary>
    public static bool IsUnsent(HttpRequestMessage request) =>
        request.Content is AttemptContent { WasAsked: false } && !request.Headers.NonValidated.Contains("Expect"); // with it the content waits for the destination
}
