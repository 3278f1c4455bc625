using System.Net;

using Microsoft.AspNetCore.Http;

namespace ProxyKit.Forwarding;

/// <summary>The host's trust in proxies, made ready for requests.</summary>
internal sealed class ClientFinder(TrustedNetworks trusted, ForwardedFamily family)
{
    public static readonly ClientFinder TrustingNobody = new(TrustedNetworks.None, ForwardedFamily.XForwarded);

    public ClientFinder(ForwardingOptions host)
        : this(new TrustedNetworks(host.TrustedNetworks), host.TrustedField)
    {
    }

    /// <summary>The client's address; that of an untrusted peer as the server tells it, without allocating.</summary>
    public IPAddress? Find(HttpContext context)
    {
        var peer = context.Connection.RemoteIpAddress;
        return trusted.Contains(peer) ? ClientAddress.Walk(peer, context.Request.Headers, trusted, family).Client : peer;
    }

    /// <summary>Whether the client used https: to the gateway itself, or to a trusted proxy in front of it, as that tells.</summary>
    public bool IsHttps(HttpContext context)
    {
        if (context.Request.IsHttps || trusted.IsEmpty)
        {
            return context.Request.IsHttps;
        }

        var peer = context.Connection.RemoteIpAddress;
        return trusted.Contains(peer) && ClientAddress.Walk(peer, context.Request.Headers, trusted, family).Scheme == "https";
    }
}
