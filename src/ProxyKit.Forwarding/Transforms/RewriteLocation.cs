using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Primitives;

namespace ProxyKit.Forwarding;

/// <summary>
/// Turns redirects to a destination's own address (<c>Location</c>, <c>Content-Location</c>) back into ones that a client can follow; those to other
/// sites pass as they are.
/// </summary>
/// <remarks>
/// What comes out is relative (RFC 9110 §10.2.2), so that it holds behind any number of proxies and whatever <c>Host</c> a client sends.
/// </remarks>
/// <param name="PublicPath">The path that clients ask for, such as <c>/api</c> where <see cref="RemovePrefix"/> takes that off. The default is <c>/</c>.</param>
/// <param name="BackendPath">The path at the destination that it stands for. The default is <c>/</c>.</param>
public sealed record RewriteLocation(string PublicPath = "/", string BackendPath = "/") : IResponseTransform, IValidatable
{
    /// <inheritdoc/>
    public ValueTask ApplyAsync(ResponseTransformContext context, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(context);
        var request = context.HttpContext.Request;
        var headers = context.HttpContext.Response.Headers;
        headers.Location = Mapped(headers.Location, context.Destination, request);
        headers["Content-Location"] = Mapped(headers["Content-Location"], context.Destination, request);
        return ValueTask.CompletedTask;
    }

    /// <inheritdoc/>
    public IEnumerable<string> Faults() => new PublicPath(BackendPath, PublicPath).Faults();

    /// <summary>The reference as a client can follow it.</summary>
    internal string Map(string location, Destination destination, HostString publicHost, string pathBase)
    {
        var paths = new PublicPath(BackendPath, PublicPath);
        if (location is ['/', not '/', ..] or "/")
        {
            return paths.Map(location, destination, pathBase) ?? location;
        }

        // A reference without scheme or slash is relative to what was asked for, and a client resolves it rightly as it is.
        var slashes = location.IndexOf("//", StringComparison.Ordinal);
        if (slashes < 0 || !(slashes == 0 || IsWeb(location.AsSpan(0, slashes))))
        {
            return location;
        }

        var start = slashes + 2;
        var length = location.AsSpan(start).IndexOfAny('/', '?', '#');
        var authority = length < 0 ? location[start..] : location.Substring(start, length);
        var path = length < 0 ? "/" : location[start + length] == '/' ? location[(start + length)..] : $"/{location[(start + length)..]}";
        if (IsOf(authority, destination, location.AsSpan(0, slashes)))
        {
            var mapped = paths.Map(path, destination, pathBase) ?? path;
            return mapped.StartsWith("//", StringComparison.Ordinal) ? $"/.{mapped}" : mapped; // '//host' would lead elsewhere
        }

        return authority.Equals(publicHost.Value, StringComparison.OrdinalIgnoreCase) && paths.Map(path, destination, pathBase) is { } own
            ? string.Concat(location.AsSpan(0, start), authority, own)
            : location;
    }

    private StringValues Mapped(StringValues values, Destination destination, HttpRequest request) =>
        values is [{ Length: > 0 } location] ? Map(location, destination, request.Host, request.PathBase.ToUriComponent()) : values;

    private static bool IsWeb(ReadOnlySpan<char> scheme) =>
        scheme.Equals("http:", StringComparison.OrdinalIgnoreCase) || scheme.Equals("https:", StringComparison.OrdinalIgnoreCase);

    // The address by which the gateway knows it, with its port or without where that is the scheme's own.
    private static bool IsOf(string authority, Destination destination, ReadOnlySpan<char> scheme)
    {
        var address = destination.Address;
        var withPort = scheme.IsEmpty || scheme.TrimEnd(':').Equals(address.Scheme, StringComparison.OrdinalIgnoreCase);
        return (withPort && (authority.Equals(address.Authority, StringComparison.OrdinalIgnoreCase) || authority.Equals($"{address.Host}:{address.Port}", StringComparison.OrdinalIgnoreCase)))
            || authority.Equals(destination.Host, StringComparison.OrdinalIgnoreCase);
    }
}
