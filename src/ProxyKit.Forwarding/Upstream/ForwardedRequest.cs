namespace ProxyKit.Forwarding;

/// <summary>A client's request as it is sent to a destination.</summary>
internal sealed class ForwardedRequest(HttpMethod method) : HttpRequestMessage(method, (Uri?)null)
{
    /// <summary>Where interim heads that answer it go; null where nowhere.</summary>
    public InterimLine? Interim { get; set; }
}
