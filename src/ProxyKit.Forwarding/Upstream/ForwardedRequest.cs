namespace ProxyKit.Forwarding;

/// <summary>A client's request as it is sent to a destination.</summary>
internal sealed class ForwardedRequest(HttpMethod method) : HttpRequestMessage(method, (Uri?)null)
{
    /// <summary>Whether the fields copied from the client's are ASCII, which the handler writes faster. What is added later is checked by it.</summary>
    public bool IsAscii { get; set; } = true;

    /// <summary>Where interim heads that answer it go; null where nowhere.</summary>
    public InterimLine? Interim { get; set; }
}
