using System.Net;
using System.Net.WebSockets;
using System.Text;

using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace ProxyKit.Gateway.Tests;

/// <summary>A server that sends back what it gets over a WebSocket, on HTTP/1.1 or HTTP/2.</summary>
internal sealed class Echo : IAsyncDisposable
{
    private readonly TaskCompletionSource<string> _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource<WebSocketCloseStatus?> _closed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private KestrelBackend _backend = null!;
    private bool _http2;

    /// <summary>How the socket ended: the client's words of farewell, or nothing where it broke.</summary>
    public Task<string> Ended => _ended.Task;

    /// <summary>The code by which the socket was closed; null where it broke.</summary>
    public Task<WebSocketCloseStatus?> Closed => _closed.Task;

    public static async Task<Echo> StartAsync(bool http2)
    {
        var echo = new Echo { _http2 = http2 };
        echo._backend = await KestrelBackend.StartAsync(
            app =>
            {
                app.UseWebSockets();
                app.Map("/ws", echo.ServeAsync);
            },
            http2 ? HttpProtocols.Http2 : HttpProtocols.Http1);
        return echo;
    }

    public static async Task<ClientWebSocket> ConnectAsync(GatewayHost gateway, bool http2, string? protocol = null)
    {
        var socket = new ClientWebSocket();
        if (protocol is not null)
        {
            socket.Options.AddSubProtocol(protocol);
        }

        await ConnectAsync(socket, gateway, http2);
        return socket;
    }

    public static async Task ConnectAsync(ClientWebSocket socket, GatewayHost gateway, bool http2)
    {
        var address = new UriBuilder(http2 ? gateway.Http2Address : gateway.Address) { Scheme = "ws", Path = "/ws" }.Uri;
        socket.Options.HttpVersion = http2 ? HttpVersion.Version20 : HttpVersion.Version11;
        socket.Options.HttpVersionPolicy = HttpVersionPolicy.RequestVersionExact;
        using var invoker = new HttpMessageInvoker(new SocketsHttpHandler(), disposeHandler: false);
        await socket.ConnectAsync(address, invoker, TestContext.Current.CancellationToken);
    }

    public Task<GatewayHost> GatewayAsync(TimeoutOptions? timeouts = null, Action<IProxyKitBuilder>? compose = null) => GatewayHost.StartAsync(proxyKit =>
    {
        proxyKit.AddPool("p", _backend.Address.ToString())
            .WithUpstream(new UpstreamOptions { Protocol = _http2 ? UpstreamProtocol.Http2 : UpstreamProtocol.Auto })
            .WithTimeouts(timeouts ?? new TimeoutOptions());
        compose?.Invoke(proxyKit);
    });

    public ValueTask DisposeAsync() => _backend.DisposeAsync();

    private async Task ServeAsync(HttpContext context)
    {
        var protocol = context.WebSockets.WebSocketRequestedProtocols.FirstOrDefault();
        using var socket = await context.WebSockets.AcceptWebSocketAsync(protocol);
        var buffer = new byte[32 * 1024];
        try
        {
            while (true)
            {
                var result = await socket.ReceiveAsync(buffer.AsMemory(), context.RequestAborted);
                var text = Encoding.ASCII.GetString(buffer, 0, result.Count);
                if (result.MessageType == WebSocketMessageType.Close)
                {
                    if (socket.State == WebSocketState.CloseReceived)
                    {
                        await socket.CloseAsync(socket.CloseStatus!.Value, socket.CloseStatusDescription + "!", context.RequestAborted);
                    }

                    _ended.TrySetResult(socket.CloseStatusDescription ?? "");
                    _closed.TrySetResult(socket.CloseStatus);
                    return;
                }

                if (text == "close")
                {
                    await socket.CloseOutputAsync(WebSocketCloseStatus.PolicyViolation, "told to", context.RequestAborted);
                }
                else if (text == "abort")
                {
                    context.Abort();
                    return;
                }
                else
                {
                    await socket.SendAsync(buffer.AsMemory(0, result.Count), result.MessageType, result.EndOfMessage, context.RequestAborted);
                }
            }
        }
        catch (Exception end) when (end is WebSocketException or OperationCanceledException)
        {
            _ended.TrySetResult("");
            _closed.TrySetResult(null);
        }
    }
}
