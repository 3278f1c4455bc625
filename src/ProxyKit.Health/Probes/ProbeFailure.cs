using System.Globalization;
using System.Net.Sockets;
using System.Security.Authentication;

namespace ProxyKit.Health;

/// <summary>What went wrong with a probe, in words for people.</summary>
internal static class ProbeFailure
{
    /// <summary>Its time was over.</summary>
    public static string TimedOut(TimeSpan timeout) => string.Create(CultureInfo.InvariantCulture, $"no answer within {timeout.TotalSeconds:0.###} s");

    /// <summary>What it threw; null where no probe should throw such a thing.</summary>
    public static string? Of(Exception fault, TimeSpan timeout) => fault switch
    {
        OperationCanceledException or TimeoutException => TimedOut(timeout),
        HttpRequestException http => Of(http, timeout),
        AuthenticationException => $"the TLS handshake failed: {fault.Message}",
        SocketException socket => Of(socket.SocketErrorCode),
        HttpIOException { HttpRequestError: HttpRequestError.ResponseEnded } or EndOfStreamException => "it ended the connection before its answer was whole",
        IOException { InnerException: SocketException socket } => Of(socket.SocketErrorCode),
        IOException => fault.Message,
        _ => null,
    };

    private static string Of(HttpRequestException fault, TimeSpan timeout) => fault.HttpRequestError switch
    {
        HttpRequestError.NameResolutionError => "its name cannot be resolved",
        HttpRequestError.SecureConnectionError => $"the TLS handshake failed: {fault.InnerException?.Message ?? fault.Message}",
        HttpRequestError.VersionNegotiationError => "it does not speak the version of HTTP that is asked for",
        HttpRequestError.ResponseEnded => "it ended the connection before its answer was whole",
        HttpRequestError.InvalidResponse => "its answer is no valid HTTP",
        HttpRequestError.ConfigurationLimitExceeded => "the head of its answer is too large",
        HttpRequestError.HttpProtocolError => "it broke the rules of HTTP/2",
        _ => fault.InnerException is { } inner && Of(inner, timeout) is { } words ? words : fault.Message,
    };

    private static string Of(SocketError error) => error switch
    {
        SocketError.ConnectionRefused => "connection refused",
        SocketError.ConnectionReset or SocketError.ConnectionAborted or SocketError.Shutdown => "connection reset",
        SocketError.HostUnreachable or SocketError.NetworkUnreachable => "it cannot be reached",
        SocketError.HostNotFound or SocketError.NoData or SocketError.TryAgain => "its name cannot be resolved",
        SocketError.TimedOut => "the connection timed out",
        _ => $"the connection failed ({error})",
    };
}
