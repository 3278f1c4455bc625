using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Security.Cryptography;

using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Primitives;

namespace ProxyKit.Forwarding;

/// <summary>Tells a destination whom it serves: <c>Forwarded</c> (RFC 7239) and the <c>X-Forwarded-*</c> fields.</summary>
/// <remarks>
/// The texts are made once for a peer, host and scheme, and found again by them rather than by connection: clients behind one proxy share
/// them, and requests that run at once on one HTTP/2 connection need no lock.
/// </remarks>
internal sealed class ForwardedHeaders
{
    private const string XFor = "X-Forwarded-For";
    private const string XHost = "X-Forwarded-Host";
    private const string XProto = "X-Forwarded-Proto";
    private const string XPrefix = "X-Forwarded-Prefix";
    private const string XRealIp = "X-Real-IP";
    private const string XAny = "X-Forwarded-";
    private const string Standard = "Forwarded";
    private const int Remembered = 1024; // a power of two; longer texts than a name may have are not kept

    // Of the process, so that a client keeps its identifier when settings are reloaded.
    private static readonly byte[] Disguise = RandomNumberGenerator.GetBytes(32);

    private readonly ForwardedOptions _options;
    private readonly TrustedNetworks _trusted;
    private readonly ForwardedFamily _family;
    private readonly Seen?[] _seen = new Seen?[Remembered];

    private ForwardedHeaders(ForwardedOptions options, TrustedNetworks trusted, ForwardedFamily family) =>
        (_options, _trusted, _family) = (options, trusted, family);

    /// <summary>Compiles the options; where a pool has none, the defaults hold.</summary>
    public static ForwardedHeaders Create(ForwardedOptions? options, ForwardingOptions host) =>
        new(options ?? new ForwardedOptions(), new TrustedNetworks(host.TrustedNetworks), host.TrustedField);

    /// <summary>Whether an incoming field of that name is left out when headers are copied, because <see cref="Write"/> decides on it.</summary>
    public bool Owns(string name)
    {
        if (name.Length < Standard.Length || (name[0] | 0x20) is not ('x' or 'f'))
        {
            return false;
        }

        if (ForwardedText.StartsWith(name, XAny))
        {
            return ActionOf(name) != ForwardedAction.Off;
        }

        return ForwardedText.IsName(name, XRealIp) || (_options.Forwarded != ForwardedAction.Off && ForwardedText.IsName(name, Standard));
    }

    /// <summary>Writes the fields to <paramref name="request"/>, from the connection and, where it is trusted, from what came in.</summary>
    public void Write(HttpContext context, HttpRequestMessage request)
    {
        var incoming = context.Request;
        var seen = Look(context.Connection.RemoteIpAddress, incoming.Host.Value ?? "", incoming.Scheme);
        if (seen.IsTrusted)
        {
            WriteBelieved(incoming, seen, request.Headers);
            return;
        }

        var headers = request.Headers;
        Add(headers, _options.For, XFor, seen.For);
        Add(headers, _options.Host, XHost, seen.Host);
        Add(headers, _options.Proto, XProto, seen.Scheme);
        Add(headers, _options.Forwarded, Standard, seen.Forwarded);
        if (incoming.PathBase.HasValue)
        {
            Add(headers, _options.Prefix, XPrefix, incoming.PathBase.ToUriComponent());
        }
    }

    private static void Add(HttpRequestHeaders headers, ForwardedAction action, string name, string? value)
    {
        if (action is ForwardedAction.Set or ForwardedAction.Append && value is not null)
        {
            headers.TryAddWithoutValidation(name, value);
        }
    }

    private ForwardedAction ActionOf(string name) => name.Length switch
    {
        15 when ForwardedText.IsName(name, XFor) => _options.For,
        16 when ForwardedText.IsName(name, XHost) => _options.Host,
        17 when ForwardedText.IsName(name, XProto) => _options.Proto,
        18 when ForwardedText.IsName(name, XPrefix) => _options.Prefix,
        _ => ForwardedAction.Remove, // -Port, -Server, -User and whatever else claims to come from a proxy
    };

    private void WriteBelieved(HttpRequest incoming, Seen seen, HttpRequestHeaders headers)
    {
        var client = ClientAddress.Walk(seen.Address, incoming.Headers, _trusted, _family);
        var host = client.Host ?? seen.Host;
        var scheme = client.Scheme ?? seen.Scheme;
        var address = client.Client?.ToString();
        var fromX = _family == ForwardedFamily.XForwarded;
        Add(headers, _options.For, XFor, _options.For == ForwardedAction.Append
            ? Joined(fromX ? incoming.Headers[XFor] : client.Hops > 0 ? address : null, seen.For)
            : address);
        Add(headers, _options.Host, XHost, _options.Host == ForwardedAction.Append ? Joined(fromX ? incoming.Headers[XHost] : client.Host, seen.Host) : host);
        Add(headers, _options.Proto, XProto, _options.Proto == ForwardedAction.Append ? Joined(fromX ? incoming.Headers[XProto] : client.Scheme, seen.Scheme) : scheme);
        if (_options.Prefix is ForwardedAction.Set or ForwardedAction.Append)
        {
            var own = incoming.PathBase.HasValue ? incoming.PathBase.ToUriComponent() : null;
            Add(headers, _options.Prefix, XPrefix, _options.Prefix == ForwardedAction.Append
                ? Joined(fromX ? incoming.Headers[XPrefix] : StringValues.Empty, own)
                : client.Prefix is null && own is null ? null : client.Prefix + own);
        }

        if (_options.Forwarded is ForwardedAction.Set or ForwardedAction.Append)
        {
            // Of the family that is not believed nothing is kept; what the other one said is told in its words.
            Add(headers, _options.Forwarded, Standard, _options.Forwarded == ForwardedAction.Append
                ? Joined(fromX ? client.Hops > 0 ? Element(client.Client, host, scheme) : null : incoming.Headers[Standard], seen.Forwarded)
                : Element(client.Client, host, scheme));
        }

        foreach (var (name, values) in incoming.Headers)
        {
            if (IsOther(name))
            {
                headers.TryAddWithoutValidation(name, (IEnumerable<string?>)values);
            }
        }
    }

    // Fields that the gateway does not write and a trusted peer may: X-Forwarded-Port, X-Real-IP and the like.
    private static bool IsOther(string name) =>
        (ForwardedText.StartsWith(name, XAny)
            && !(ForwardedText.IsName(name, XFor) || ForwardedText.IsName(name, XHost) || ForwardedText.IsName(name, XProto) || ForwardedText.IsName(name, XPrefix)))
        || ForwardedText.IsName(name, XRealIp);

    private static string? Joined(StringValues before, string? own)
    {
        var text = before.Count switch
        {
            0 => null,
            1 => before[0],
            _ => string.Join(", ", before.ToArray()),
        };
        return string.IsNullOrWhiteSpace(text) ? own : own is null ? text : $"{text}, {own}";
    }

    private Seen Look(IPAddress? address, string host, string scheme)
    {
        var hash = (address?.GetHashCode() ?? 0) ^ (host.Length > 0 ? (host.Length << 16) ^ (host[0] << 8) ^ host[^1] : 0);
        ref var place = ref _seen[(hash ^ (hash >> 10) ^ (hash >> 20)) & (Remembered - 1)];
        if (Volatile.Read(ref place) is { } seen && seen.AskedFor == host && seen.Scheme == scheme && Equals(seen.Peer, address))
        {
            return seen;
        }

        seen = Meet(address, host, scheme);
        if (seen.Host is not null || host.Length == 0)
        {
            Volatile.Write(ref place, seen);
        }

        return seen;
    }

    private Seen Meet(IPAddress? peer, string host, string scheme)
    {
        var address = peer is null ? null : NodeText.Folded(peer);
        var named = host.Length > 0 && ForwardedText.IsHost(host) ? host : null;
        var forwarded = _options.Forwarded is ForwardedAction.Set or ForwardedAction.Append ? Element(address, named, scheme) : null;
        return new Seen(peer, host, scheme, address, address?.ToString(), named, forwarded, _trusted.Contains(peer));
    }

    private string Element(IPAddress? client, string? host, string scheme)
    {
        var by = _options.By is null ? "" : $"by={ForwardedElement.Quoted(_options.By)};";
        var named = host is null ? "" : $"host={ForwardedElement.Quoted(host)};";
        return $"{by}for={ForwardedElement.Quoted(Node(client))};{named}proto={scheme}";
    }

    private string Node(IPAddress? client)
    {
        if (client is null)
        {
            return "unknown";
        }

        if (_options.Obfuscate)
        {
            // Keyed, because all of IPv4 is soon tried out against a bare hash.
            return $"_{Convert.ToHexStringLower(HMACSHA256.HashData(Disguise, client.GetAddressBytes()).AsSpan(0, 8))}";
        }

        return client.AddressFamily == AddressFamily.InterNetworkV6 ? $"[{client}]" : client.ToString();
    }

    /// <summary>A peer that asked for a host, and what is said of it.</summary>
    private sealed record Seen(IPAddress? Peer, string AskedFor, string Scheme, IPAddress? Address, string? For, string? Host, string? Forwarded, bool IsTrusted);
}
