using System.Net;
using System.Text;

using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Primitives;
using Microsoft.Net.Http.Headers;

namespace ProxyKit.Forwarding;

/// <summary>Makes the request that is sent to a destination from the one that the client sent.</summary>
internal static class RequestMessage
{
    private static readonly UriCreationOptions AsItIs = new() { DangerousDisablePathAndQueryCanonicalization = true };

    /// <summary>The request without target, its headers copied: no field that concerns the client's connection alone, none that the gateway sets itself.</summary>
    public static ForwardedRequest Create(HttpContext context, PoolPlan plan, Member member, HttpContent? content, bool isGrpc)
    {
        var incoming = context.Request;
        var isHttps = ReferenceEquals(member.Destination.Address.Scheme, Uri.UriSchemeHttps) || member.Destination.Address.Scheme == "https";
        var request = new ForwardedRequest(HttpMethod.Parse(incoming.Method)) { Content = content, IsAscii = !plan.HasUserClient };
        (request.Version, request.VersionPolicy) = plan.Upstream.Protocol switch
        {
            UpstreamProtocol.Http2 => (HttpVersion.Version20, HttpVersionPolicy.RequestVersionExact),
            UpstreamProtocol.Http1 => (HttpVersion.Version11, HttpVersionPolicy.RequestVersionExact),
            _ when isHttps => (HttpVersion.Version20, HttpVersionPolicy.RequestVersionOrLower),
            _ when isGrpc => (HttpVersion.Version20, HttpVersionPolicy.RequestVersionExact),
            _ => (HttpVersion.Version11, HttpVersionPolicy.RequestVersionExact),
        };

        CopyHeaders(context, plan, request);
        SetHost(incoming, plan, member.Destination, request, isHttps);
        plan.Forwarded.Write(context, request);
        return request;
    }

    /// <summary>The absolute address of <paramref name="target"/> at a destination, taken byte for byte.</summary>
    public static Uri Address(Destination destination, ReadOnlySpan<char> target)
    {
        var prefix = destination.Address.AbsoluteUri.AsSpan();
        prefix = prefix[^1] == '/' ? prefix[..^1] : prefix;
        var text = string.Concat(prefix, target);
        return Uri.TryCreate(text, AsItIs, out var uri) ? uri : throw new FormatException("The target is no part of a URI.");
    }

    /// <summary>The path and query to be sent, percent-encoded: as they came, unless a middleware has changed them.</summary>
    public static (string Path, string Query) Target(HttpContext context)
    {
        var request = context.Request;
        var raw = context.Features.Get<IHttpRequestFeature>()?.RawTarget;
        var query = request.QueryString.Value ?? "";
        if (raw is { Length: > 0 } && raw[0] == '/')
        {
            var mark = raw.IndexOf('?', StringComparison.Ordinal);
            var path = mark < 0 ? raw : raw[..mark];
            if (!request.PathBase.HasValue && Decodes(path, request.Path.Value))
            {
                return (path, query);
            }
        }

        return (Encode(request.Path), query);
    }

    /// <summary>A path that was decoded once, encoded once. The server leaves an encoded slash as it is; each other '%' is one that it decoded.</summary>
    /// <remarks>Left as they are, the characters of <c>%252e</c> would go out as <c>%2e</c>, and the destination would read what nobody here judged.</remarks>
    public static string Encode(PathString path)
    {
        if (!path.HasValue)
        {
            return "/";
        }

        var text = path.Value;
        return (text.Contains('%', StringComparison.Ordinal)
            ? new PathString(text.Replace("%", "%25", StringComparison.Ordinal).Replace("%252F", "%2F", StringComparison.OrdinalIgnoreCase))
            : path).ToUriComponent();
    }

    // Whether the path that was routed on is the one that came: decoded once, but for slashes.
    private static bool Decodes(string raw, string? path) =>
        raw == path || (raw.Contains('%', StringComparison.Ordinal)
            && Uri.UnescapeDataString(raw.Replace("%2F", "%252F", StringComparison.Ordinal).Replace("%2f", "%252f", StringComparison.Ordinal)) == path);

    private static void CopyHeaders(HttpContext context, PoolPlan plan, ForwardedRequest request)
    {
        var headers = context.Request.Headers;
        var tokens = new ConnectionTokens(headers.Connection);
        var hasTokens = !tokens.IsEmpty;
        foreach (var (name, values) in headers)
        {
            if (IsLeftOut(name, plan) || (hasTokens && tokens.Contains(name)))
            {
                continue;
            }

            if (plan.Stickiness is { } stickiness)
            {
                if (stickiness.Owns(name))
                {
                    continue;
                }

                if (name.Equals(HeaderNames.Cookie, StringComparison.OrdinalIgnoreCase))
                {
                    var cookie = stickiness.CookieToSend(context, values);
                    if (cookie.Count > 0)
                    {
                        Add(request, name, cookie);
                    }

                    continue;
                }
            }

            Add(request, name, values);
        }

        if (HopByHop.AsksForTrailers(headers.TE))
        {
            request.Headers.TryAddWithoutValidation(HeaderNames.TE, "trailers");
            if (request.Version.Major == 1)
            {
                request.Headers.TryAddWithoutValidation(HeaderNames.Connection, HeaderNames.TE); // it is for the next hop alone (RFC 9110 §10.1.4)
            }
        }
    }

    private static void Add(ForwardedRequest request, string name, StringValues values)
    {
        if (values.Count == 1)
        {
            var value = values[0];
            request.IsAscii &= Ascii.IsValid(value);
            if (!request.Headers.TryAddWithoutValidation(name, value) && !(request.Content ??= new EmptyContent()).Headers.TryAddWithoutValidation(name, value))
            {
                throw NoName();
            }

            return;
        }

        request.IsAscii = false;

        // HTTP/2 may split a cookie into lines, which HTTP/1.1 may not have (RFC 9113 §8.2.3).
        if (name.Equals("Cookie", StringComparison.OrdinalIgnoreCase))
        {
            request.Headers.TryAddWithoutValidation(name, string.Join("; ", values.ToArray()));
            return;
        }

        // Each other line goes on as a line: joined, some fields would mean something else.
        string?[] lines = values!;
        if (!request.Headers.TryAddWithoutValidation(name, lines) && !(request.Content ??= new EmptyContent()).Headers.TryAddWithoutValidation(name, lines))
        {
            throw NoName();
        }
    }

    // Kestrel lets names pass that are no tokens (RFC 9110 §5.1), on HTTP/2 even with a line end in them.
    private static BadHttpRequestException NoName() => new("A field's name holds a character that is not allowed in it.");

    // The body's framing is the content's own; the host, the forwarding fields and what concerns one connection are set anew.
    private static bool IsLeftOut(string name, PoolPlan plan) =>
        name[0] == ':'
        || name.Equals("Host", StringComparison.OrdinalIgnoreCase)
        || name.Equals("Content-Length", StringComparison.OrdinalIgnoreCase)
        || HopByHop.IsHopByHop(name)
        || plan.Forwarded.Owns(name);

    private static void SetHost(HttpRequest incoming, PoolPlan plan, Destination destination, HttpRequestMessage request, bool isHttps)
    {
        if (destination.Host is { } host)
        {
            request.Headers.Host = host;
        }
        else if (plan.Upstream.Host == HostHeader.Original || (plan.Upstream.Host == HostHeader.Auto && !isHttps))
        {
            request.Headers.Host = incoming.Host.HasValue ? incoming.Host.Value : null;
        }
    }
}
