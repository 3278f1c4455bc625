using System.Text;

using Microsoft.Extensions.Primitives;

namespace ProxyKit.Forwarding;

/// <summary>Makes cookies of a destination fit the address that clients know: their <c>Path</c> is mapped, and a <c>Domain</c> that is the destination's own is left out.</summary>
/// <param name="PublicPath">The path that clients ask for. The default is <c>/</c>.</param>
/// <param name="BackendPath">The path at the destination that it stands for. The default is <c>/</c>.</param>
public sealed record RewriteCookies(string PublicPath = "/", string BackendPath = "/") : IResponseTransform, IValidatable
{
    /// <inheritdoc/>
    public ValueTask ApplyAsync(ResponseTransformContext context, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(context);
        var headers = context.HttpContext.Response.Headers;
        if (headers.SetCookie.Count > 0)
        {
            var pathBase = context.HttpContext.Request.PathBase.ToUriComponent();
            headers.SetCookie = new StringValues([.. headers.SetCookie.Select(cookie => Map(cookie ?? "", context.Destination, pathBase))]);
        }

        return ValueTask.CompletedTask;
    }

    /// <inheritdoc/>
    public IEnumerable<string> Faults() => new PublicPath(BackendPath, PublicPath).Faults();

    /// <summary>The cookie as the client should get it (RFC 6265 §5.2: attributes stand after semicolons, the last of a name counts).</summary>
    internal string Map(string cookie, Destination destination, string pathBase)
    {
        if (cookie.StartsWith("__Host-", StringComparison.OrdinalIgnoreCase))
        {
            return cookie; // clients drop one of that prefix unless its path is '/'
        }

        var text = new StringBuilder(cookie.Length);
        var isFirst = true;
        foreach (var range in cookie.AsSpan().Split(';'))
        {
            var part = cookie.AsSpan()[range];
            var equals = part.IndexOf('=');
            var name = (equals < 0 ? part : part[..equals]).Trim();
            var value = equals < 0 ? "" : part[(equals + 1)..].Trim().ToString();
            if (!isFirst && name.Equals("Domain", StringComparison.OrdinalIgnoreCase) && IsOf(value.TrimStart('.'), destination))
            {
                continue;
            }

            text.Append(isFirst ? "" : ";");
            if (!isFirst && name.Equals("Path", StringComparison.OrdinalIgnoreCase) && new PublicPath(BackendPath, PublicPath).Map(value, destination, pathBase) is { } mapped)
            {
                text.Append(" Path=").Append(mapped.Length > 1 ? mapped.TrimEnd('/') : mapped); // '/api/' would not cover '/api' (RFC 6265 §5.1.4)
            }
            else
            {
                text.Append(part);
            }

            isFirst = false;
        }

        return text.ToString();
    }

    private static bool IsOf(string domain, Destination destination) =>
        domain.Equals(destination.Address.Host, StringComparison.OrdinalIgnoreCase)
        || (destination.Host is { } host && domain.Equals(host.Split(':')[0], StringComparison.OrdinalIgnoreCase));
}
