using Microsoft.AspNetCore.Http;

namespace ProxyKit.Forwarding;

/// <summary>What of a request decides where a hashing policy sends it: requests of equal keys go to equal members.</summary>
public abstract record HashKey
{
    /// <summary>The key of that request, the same in every process; null where it has none, and chance decides.</summary>
    public abstract ulong? Of(HttpContext context);

    /// <summary>The key made ready for a host: what it needs to know of trusted proxies is put in.</summary>
    internal virtual HashKey For(ForwardingOptions host) => this;
}
