using System.Net.Http.Json;

namespace ProxyKit.Balancing;

/// <summary>Whether a request may be sent again, and what a failure means.</summary>
internal static class Repeat
{
    /// <summary>Whether sending it twice does what sending it once does, and its content can be read twice.</summary>
    public static bool IsSafe(HttpRequestMessage request) => IsIdempotent(request.Method) && IsReplayable(request.Content);

    /// <summary>RFC 9110 §9.2.2.</summary>
    public static bool IsIdempotent(HttpMethod method) =>
        method == HttpMethod.Get || method == HttpMethod.Head || method == HttpMethod.Put || method == HttpMethod.Delete || method == HttpMethod.Options || method == HttpMethod.Trace;

    /// <summary>Whether it is made of memory. Content of other types, such as a stream's, may be at its end after the first time.</summary>
    public static bool IsReplayable(HttpContent? content) => content switch
    {
        null or ByteArrayContent or ReadOnlyMemoryContent or JsonContent => true,
        MultipartContent parts => parts.All(IsReplayable),
        _ => false,
    };

    /// <summary>What the failure of an attempt says.</summary>
    public static OutcomeKind Judge(Exception fault, CancellationToken cancellationToken) => fault switch
    {
        _ when cancellationToken.IsCancellationRequested => OutcomeKind.Abandoned,
        HttpRequestException
        {
            HttpRequestError: HttpRequestError.NameResolutionError or HttpRequestError.ConnectionError or HttpRequestError.SecureConnectionError
                or HttpRequestError.ProxyTunnelError or HttpRequestError.VersionNegotiationError
        } => OutcomeKind.NotConnected,

        // SocketsHttpHandler.ConnectTimeout comes as a cancellation that nobody asked for (dotnet/runtime#68649).
        OperationCanceledException { InnerException: TimeoutException } => OutcomeKind.NotConnected,
        OperationCanceledException or TimeoutException => OutcomeKind.TimedOut,
        HttpRequestException or IOException => OutcomeKind.Broken,
        _ => OutcomeKind.Abandoned, // content that cannot be written, a handler's own fault: nothing that the member did
    };
}
