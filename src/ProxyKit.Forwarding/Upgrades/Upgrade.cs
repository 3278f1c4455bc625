using System.Security.Cryptography;
using System.Text;

using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace ProxyKit.Forwarding;

/// <summary>A client's wish to leave HTTP: a WebSocket, by <c>Upgrade</c> on HTTP/1.1 (RFC 6455) or by extended CONNECT on HTTP/2 (RFC 8441).</summary>
/// <param name="Http1">The feature that upgrades the client's connection; null on HTTP/2.</param>
/// <param name="Http2">The feature that accepts the client's stream; null on HTTP/1.1.</param>
internal sealed record Upgrade(IHttpUpgradeFeature? Http1, IHttpExtendedConnectFeature? Http2)
{
    /// <summary>The only protocol that is let through: others, such as <c>h2c</c>, would carry requests past the gateway unseen.</summary>
    public const string WebSocket = "websocket";

    /// <summary>What the client wishes; null where it is an ordinary request.</summary>
    public static Upgrade? Wanted(HttpContext context)
    {
        if (HttpMethods.IsConnect(context.Request.Method))
        {
            return context.Features.Get<IHttpExtendedConnectFeature>() is { IsExtendedConnect: true, Protocol: { } protocol } connect
                && protocol.Equals(WebSocket, StringComparison.OrdinalIgnoreCase)
                ? new Upgrade(null, connect)
                : null;
        }

        return context.Request.Headers.Upgrade is { Count: 1 } wish
            && WebSocket.Equals(wish[0]?.Trim(), StringComparison.OrdinalIgnoreCase)
            && HttpMethods.IsGet(context.Request.Method)
            && context.Features.Get<IHttpUpgradeFeature>() is { IsUpgradableRequest: true } upgrade
            ? new Upgrade(upgrade, null)
            : null;
    }

    /// <summary>A fresh key for the handshake with a destination, where the client on HTTP/2 sent none.</summary>
    public static string NewKey() => Convert.ToBase64String(RandomNumberGenerator.GetBytes(16));

    /// <summary>What answers that key (RFC 6455 §4.2.2).</summary>
    public static string Accept(string key)
    {
#pragma warning disable CA5350 // the RFC asks for SHA-1, as proof of having read, not as protection
        return Convert.ToBase64String(SHA1.HashData(Encoding.ASCII.GetBytes(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11")));
#pragma warning restore CA5350
    }
}
