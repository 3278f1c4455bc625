using Microsoft.Extensions.Primitives;

namespace ProxyKit.Forwarding;

/// <summary>Fields that concern one connection and never pass a gateway (RFC 9110 §7.6.1).</summary>
internal static class HopByHop
{
    /// <summary>Whether a field of that name never passes, in requests or in responses.</summary>
    /// <remarks>
    /// Beside what the RFC lists: <c>Proxy</c>, which CGI turns into <c>HTTP_PROXY</c> (CVE-2016-5385); <c>HTTP2-Settings</c> (RFC 7540 §3.2.1);
    /// <c>Alt-Svc</c> (RFC 7838), which names ports of the server that says it, where the gateway is not; and what is said to or by a proxy
    /// (RFC 9110 §11.7), which is this one. <c>Trailer</c> passes, because trailers do.
    /// </remarks>
    public static bool IsHopByHop(string name) => name.Length switch
    {
        2 => Is(name, "TE"),
        5 => Is(name, "Proxy") || Is(name, "Close"),
        7 => Is(name, "Upgrade") || Is(name, "Alt-Svc"),
        10 => Is(name, "Connection") || Is(name, "Keep-Alive"),
        14 => Is(name, "HTTP2-Settings"),
        16 => Is(name, "Proxy-Connection"),
        17 => Is(name, "Transfer-Encoding"),
        18 => Is(name, "Proxy-Authenticate"),
        19 => Is(name, "Proxy-Authorization"),
        25 => Is(name, "Proxy-Authentication-Info"),
        _ => false,
    };

    /// <summary>Whether a <c>TE</c> field asks for trailers: the one word of it that may go on, and must for gRPC, on HTTP/2 (RFC 9113 §8.2.2).</summary>
    public static bool AsksForTrailers(StringValues te)
    {
        foreach (var line in te)
        {
            foreach (var range in line.AsSpan().Split(','))
            {
                if (line.AsSpan(range).Trim(" \t").Equals("trailers", StringComparison.OrdinalIgnoreCase))
                {
                    return true;
                }
            }
        }

        return false;
    }

    private static bool Is(string name, string other) => name.Equals(other, StringComparison.OrdinalIgnoreCase);
}
