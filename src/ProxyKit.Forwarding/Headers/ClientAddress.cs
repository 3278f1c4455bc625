using System.Net;

using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Primitives;

namespace ProxyKit.Forwarding;

/// <summary>Finds the client behind trusted proxies. Pure: the same arguments give the same answer.</summary>
public static class ClientAddress
{
    /// <summary>The client's address as the host's <see cref="ForwardingOptions"/> have it: what logs and rules of one's own should use.</summary>
    /// <returns>The address; null where the peer has none and tells none.</returns>
    public static IPAddress? Of(HttpContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        return (context.RequestServices?.GetService<ClientFinder>() ?? ClientFinder.TrustingNobody).Find(context) is { } found ? NodeText.Folded(found) : null;
    }

    /// <summary>
    /// The client's address: the peer's own, unless it is trusted; then the one it tells, unless that is trusted too, and so on from the
    /// right. What is no address (a name, <c>unknown</c>, garbage) ends the walk, and whoever told it is taken for the client.
    /// </summary>
    /// <param name="peer">The connection's remote address; null on a Unix domain socket.</param>
    /// <param name="headers">The request's fields.</param>
    /// <param name="trusted">Who is believed.</param>
    /// <param name="family">Which fields they write.</param>
    /// <returns>The address, IPv4 never in IPv6's coat; null where the peer has none and tells none.</returns>
    public static IPAddress? Find(IPAddress? peer, IHeaderDictionary headers, TrustedNetworks trusted, ForwardedFamily family = ForwardedFamily.XForwarded)
    {
        ArgumentNullException.ThrowIfNull(headers);
        ArgumentNullException.ThrowIfNull(trusted);
        return trusted.Contains(peer) ? Walk(peer, headers, trusted, family).Client
            : peer is null ? null
            : NodeText.Folded(peer);
    }

    /// <summary>What a trusted peer tells of the client: its address, and the scheme and host that it used, where those are told and make sense.</summary>
    internal static ForwardedClient Walk(IPAddress? peer, IHeaderDictionary headers, TrustedNetworks trusted, ForwardedFamily family)
    {
        var at = peer is null ? null : NodeText.Folded(peer);
        return family == ForwardedFamily.Forwarded ? ByForwarded(at, headers["Forwarded"], trusted) : ByXForwarded(at, headers, trusted);
    }

    private static ForwardedClient ByXForwarded(IPAddress? at, IHeaderDictionary headers, TrustedNetworks trusted)
    {
        var hops = 0;
        var addresses = new FromTheRight(headers["X-Forwarded-For"]);
        while (trusted.Contains(at) && addresses.MoveNext())
        {
            if (NodeText.Parse(addresses.Current) is not { } next)
            {
                break;
            }

            (at, hops) = (next, hops + 1);
        }

        // Each proxy of a chain adds to every list, or one at its outer end sets a single value that all others leave alone.
        var scheme = Entry(headers["X-Forwarded-Proto"], hops);
        var host = Entry(headers["X-Forwarded-Host"], hops);
        var prefix = Entry(headers["X-Forwarded-Prefix"], hops);
        return new(at, hops, Scheme(scheme), Host(host), Prefix(prefix));
    }

    private static ForwardedClient ByForwarded(IPAddress? at, StringValues lines, TrustedNetworks trusted)
    {
        if (StringValues.IsNullOrEmpty(lines))
        {
            return new(at, 0, null, null, null);
        }

        var hops = 0;
        var elements = ForwardedElement.Parse(lines);
        ForwardedElement last = default;
        for (var i = elements.Count - 1; i >= 0 && trusted.Contains(at); i--)
        {
            if (elements[i] is not { } element)
            {
                break;
            }

            last = element;
            if (element.For is null || NodeText.Parse(element.For) is not { } next)
            {
                break;
            }

            (at, hops) = (next, hops + 1);
        }

        return new(at, hops, Scheme(last.Proto), Host(last.Host), null);
    }

    private static string? Scheme(ReadOnlySpan<char> scheme) =>
        scheme.Equals("https", StringComparison.OrdinalIgnoreCase) ? "https"
        : scheme.Equals("http", StringComparison.OrdinalIgnoreCase) ? "http"
        : null;

    private static string? Host(ReadOnlySpan<char> host) => !host.IsEmpty && ForwardedText.IsHost(host) ? host.ToString() : null;

    private static string? Prefix(ReadOnlySpan<char> prefix) => ForwardedText.IsPrefix(prefix) ? prefix.ToString() : null;

    // The entry of that hop from the right, or the leftmost where there are fewer.
    private static ReadOnlySpan<char> Entry(StringValues lines, int hops)
    {
        var entries = new FromTheRight(lines);
        ReadOnlySpan<char> entry = [];
        for (var hop = 0; hop < Math.Max(1, hops) && entries.MoveNext(); hop++)
        {
            entry = entries.Current;
        }

        return entry;
    }

    /// <summary>Walks a list over all of its lines from its last entry to its first, empty ones left out.</summary>
    private ref struct FromTheRight(StringValues lines)
    {
        private readonly StringValues _lines = lines;
        private int _next = lines.Count;
        private ReadOnlySpan<char> _rest;

        public ReadOnlySpan<char> Current { get; private set; }

        public bool MoveNext()
        {
            while (true)
            {
                while (_rest.IsEmpty)
                {
                    if (_next == 0)
                    {
                        return false;
                    }

                    _rest = _lines[--_next];
                }

                var comma = _rest.LastIndexOf(',');
                Current = _rest[(comma + 1)..].Trim(" \t");
                _rest = comma < 0 ? [] : _rest[..comma];
                if (!Current.IsEmpty)
                {
                    return true;
                }
            }
        }
    }
}

/// <summary>The client as trusted proxies tell of it.</summary>
/// <param name="Client">Its address; null where none is known.</param>
/// <param name="Hops">How many entries were believed.</param>
/// <param name="Scheme"><c>http</c> or <c>https</c>; null where it is not told.</param>
/// <param name="Host">The host that it asked for.</param>
/// <param name="Prefix">The path that proxies took off in front.</param>
internal readonly record struct ForwardedClient(IPAddress? Client, int Hops, string? Scheme, string? Host, string? Prefix);
