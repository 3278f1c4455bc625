using System.Net.WebSockets;

using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Time.Testing;

namespace ProxyKit.Gateway.Tests;

/// <summary>WebSockets that are ended by the gateway say 1001 (RFC 6455 §7.4.1) to whoever stands at either end.</summary>
public sealed class GoingAwayTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    public static readonly TheoryData<bool, bool> Versions = WebSocketTests.Versions;

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task When_the_gateway_stops(bool http2, bool upstreamHttp2)
    {
        await using var echo = await Echo.StartAsync(upstreamHttp2);
        await using var gateway = await echo.GatewayAsync();
        using var socket = await ConnectedAsync(gateway, http2);
        var stopped = gateway.StopAsync();
        await AssertGoingAwayAsync(socket, echo);
        await stopped;
    }

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task When_its_member_is_drained_and_the_time_is_over(bool http2, bool upstreamHttp2)
    {
        await using var echo = await Echo.StartAsync(upstreamHttp2);
        await using var gateway = await echo.GatewayAsync();
        using var socket = await ConnectedAsync(gateway, http2);
        var drained = gateway.Pool.DrainAsync(gateway.Pool.Snapshot.Members[0].Destination.Name, TimeSpan.FromMilliseconds(1), cancellationToken: TestContext.Current.CancellationToken);
        await AssertGoingAwayAsync(socket, echo);
        await drained;
        await gateway.WhenIdleAsync();
    }

    [Fact]
    public async Task When_its_member_is_switched_off()
    {
        await using var echo = await Echo.StartAsync(http2: false);
        await using var gateway = await echo.GatewayAsync();
        using var socket = await ConnectedAsync(gateway, http2: false);
        gateway.Pool.SetState(gateway.Pool.Snapshot.Members[0].Destination.Name, MemberState.Off);
        await AssertGoingAwayAsync(socket, echo);
    }

    [Theory]
    [InlineData(WebSocketFarewell.AfterDelay)]
    [InlineData(WebSocketFarewell.AtTimeout)]
    public async Task After_the_delay_or_at_the_timeout_and_until_then_messages_pass(WebSocketFarewell when)
    {
        var time = new FakeTimeProvider();
        await using var echo = await Echo.StartAsync(http2: false);
        await using var gateway = await echo.GatewayAsync(compose: proxyKit =>
        {
            proxyKit.Services.AddSingleton<TimeProvider>(time);
            proxyKit.AddGracefulShutdown(new ShutdownOptions { Delay = TimeSpan.FromSeconds(10), Timeout = TimeSpan.FromSeconds(100), WebSockets = when });
        });
        using var socket = await ConnectedAsync(gateway, http2: false);
        var stopped = gateway.StopAsync();
        await Eventually.TrueAsync(() => gateway.Logged.Any(record => record.Id.Name == "Leaving"));
        await EchoAsync(socket);
        if (when == WebSocketFarewell.AtTimeout)
        {
            await Eventually.TrueAsync(time, TimeSpan.FromSeconds(1), () => Refuses(gateway.Address));
            await EchoAsync(socket); // also once the server has stopped listening and woken its readers
        }

        var told = socket.ReceiveAsync(Memory<byte>.Empty, TestContext.Current.CancellationToken).AsTask();
        Assert.False(told.IsCompleted);
        await Eventually.TrueAsync(time, TimeSpan.FromSeconds(1), () => told.IsCompleted);
        await told;
        await AssertGoneAsync(socket, echo);
        await stopped;
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_client_that_sends_a_frame_without_end_is_cut(bool fromClient)
    {
        var time = new FakeTimeProvider();
        await using var backend = ScriptedBackend.Start(async exchange =>
        {
            await exchange.WriteAsync("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n");
            await exchange.WriteAsync(fromClient ? "\u0081\u0001a" : "\u0081\u0002a");
            await exchange.Connection.WhenClientLeavesAsync();
        });
        await using var gateway = await GatewayHost.StartAsync(proxyKit =>
        {
            proxyKit.Services.AddSingleton<TimeProvider>(time);
            proxyKit.AddPool("p", backend.Address.ToString());
        });
        await using var client = await RawClient.ConnectAsync(gateway.Address);
        await client.SendAsync(Wire.Get("/ws", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 13"));
        await client.ReadHeadAsync();
        await client.ReadExactlyAsync(3);
        if (fromClient)
        {
            await client.SendAsync("\u0081\u0085\u0001\u0002\u0003\u0004a");
            await Eventually.TrueAsync(() => backend.Connections[0].Received.Span.EndsWith("\u0001\u0002\u0003\u0004a"u8));
        }

        gateway.Pool.SetState(gateway.Pool.Snapshot.Members[0].Destination.Name, MemberState.Off);
        if (fromClient)
        {
            Assert.Equal("\u0088\u0002\u0003\u00e9", Wire.Text(await client.ReadExactlyAsync(4)));
        }

        var ended = client.ReadToEndAsync();
        await Eventually.TrueAsync(time, TimeSpan.FromMilliseconds(100), () => ended.IsCompleted);
        var (bytes, end) = await ended;
        Assert.Empty(bytes);
        Assert.Equal(fromClient ? ConnectionEnd.Closed : ConnectionEnd.Reset, end);
        await gateway.WhenIdleAsync();
    }

    private static bool Refuses(Uri address)
    {
        using var socket = new System.Net.Sockets.Socket(System.Net.Sockets.SocketType.Stream, System.Net.Sockets.ProtocolType.Tcp);
        try
        {
            socket.Connect(address.Host, address.Port);
            return false;
        }
        catch (System.Net.Sockets.SocketException)
        {
            return true;
        }
    }

    private static async Task<ClientWebSocket> ConnectedAsync(GatewayHost gateway, bool http2)
    {
        var socket = await Echo.ConnectAsync(gateway, http2);
        await EchoAsync(socket);
        return socket;
    }

    private static async Task EchoAsync(ClientWebSocket socket)
    {
        var buffer = new byte[16];
        await socket.SendAsync("hello"u8.ToArray(), WebSocketMessageType.Text, endOfMessage: true, TestContext.Current.CancellationToken);
        var result = await socket.ReceiveAsync(buffer.AsMemory(), TestContext.Current.CancellationToken);
        Assert.Equal("hello"u8.ToArray(), buffer[..result.Count]);
    }

    private static async Task AssertGoingAwayAsync(ClientWebSocket socket, Echo echo)
    {
        var result = await socket.ReceiveAsync(new byte[16].AsMemory(), TestContext.Current.CancellationToken).AsTask().WaitAsync(Patience, TestContext.Current.CancellationToken);
        Assert.Equal(WebSocketMessageType.Close, result.MessageType);
        await AssertGoneAsync(socket, echo);
    }

    private static async Task AssertGoneAsync(ClientWebSocket socket, Echo echo)
    {
        Assert.Equal(WebSocketCloseStatus.EndpointUnavailable, socket.CloseStatus);
        await socket.CloseOutputAsync(WebSocketCloseStatus.NormalClosure, "", TestContext.Current.CancellationToken);
        Assert.Equal(WebSocketCloseStatus.EndpointUnavailable, await echo.Closed.WaitAsync(Patience, TestContext.Current.CancellationToken));
    }
}
