using System.Net;

using Microsoft.AspNetCore.Http;

namespace ProxyKit.Forwarding.Tests;

/// <summary>Requests as a server would hand them over.</summary>
internal static class Requests
{
    public static DefaultHttpContext From(string? peer, params (string Name, string Value)[] headers)
    {
        var context = new DefaultHttpContext();
        context.Connection.RemoteIpAddress = peer is null ? null : IPAddress.Parse(peer);
        context.Request.Method = "GET";
        context.Request.Scheme = "http";
        context.Request.Host = new HostString("shop.example");
        context.Request.Path = "/";
        foreach (var (name, value) in headers)
        {
            context.Request.Headers.Append(name, value);
        }

        return context;
    }

    /// <summary>What a destination would see of a field; null where it is not there.</summary>
    public static string? Field(this HttpRequestMessage request, string name) =>
        request.Headers.NonValidated.TryGetValues(name, out var values) ? string.Join(" | ", values)
        : request.Content is { } content && content.Headers.NonValidated.TryGetValues(name, out values) ? string.Join(" | ", values)
        : null;
}
