namespace ProxyKit.Forwarding;

/// <summary>Says in whose name a request is sent, to whoever writes it to a connection.</summary>
/// <remarks>
/// It is the last handler before the connections, so that a request which a handler of the user sends on the way, for a token say, is in nobody's name.
/// </remarks>
internal sealed class InterimHandler : DelegatingHandler
{
    private static readonly AsyncLocal<InterimLine?> Line = new();

    /// <summary>The line of the attempt whose request is being written now; null where there is none.</summary>
    public static InterimLine? Current => Line.Value;

    /// <inheritdoc/>
    protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        var (before, line) = (Line.Value, (request as ForwardedRequest)?.Interim);
        if (ReferenceEquals(before, line))
        {
            return base.SendAsync(request, cancellationToken);
        }

        // What goes on asynchronously inside has taken the value with it by the time that it is set back.
        Line.Value = line;
        try
        {
            return base.SendAsync(request, cancellationToken);
        }
        finally
        {
            Line.Value = before;
        }
    }
}
