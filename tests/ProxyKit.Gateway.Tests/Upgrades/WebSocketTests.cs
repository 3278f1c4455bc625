using System.Net;
using System.Net.WebSockets;
using System.Text;

namespace ProxyKit.Gateway.Tests;

/// <summary>WebSockets from a real client through the gateway to a real server, over HTTP/1.1 and HTTP/2 on either side.</summary>
public sealed class WebSocketTests
{
    public static readonly TheoryData<bool, bool> Versions = new() { { false, false }, { true, false }, { false, true }, { true, true } };

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task Messages_go_both_ways_and_the_close_comes_through(bool http2, bool upstreamHttp2)
    {
        await using var echo = await Echo.StartAsync(upstreamHttp2);
        await using var gateway = await echo.GatewayAsync();
        using var socket = await Echo.ConnectAsync(gateway, http2, "chat");
        Assert.Equal("chat", socket.SubProtocol);
        foreach (var size in (int[])[0, 1, 125, 70_000, 1_000_000])
        {
            var sent = Encoding.ASCII.GetBytes(new string('x', size));
            await socket.SendAsync(sent, WebSocketMessageType.Binary, endOfMessage: true, TestContext.Current.CancellationToken);
            Assert.Equal(sent, await ReceiveAsync(socket));
        }

        await socket.CloseAsync(WebSocketCloseStatus.NormalClosure, "enough", TestContext.Current.CancellationToken);
        Assert.Equal((WebSocketCloseStatus.NormalClosure, "enough!"), (socket.CloseStatus, socket.CloseStatusDescription));
        Assert.Equal("enough", await echo.Ended.WaitAsync(Patience, TestContext.Current.CancellationToken));
        await gateway.WhenIdleAsync();
    }

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task A_close_that_the_server_begins_comes_through(bool http2, bool upstreamHttp2)
    {
        await using var echo = await Echo.StartAsync(upstreamHttp2);
        await using var gateway = await echo.GatewayAsync();
        using var socket = await Echo.ConnectAsync(gateway, http2);
        await socket.SendAsync(Encoding.ASCII.GetBytes("close"), WebSocketMessageType.Text, endOfMessage: true, TestContext.Current.CancellationToken);
        var result = await socket.ReceiveAsync(Memory<byte>.Empty, TestContext.Current.CancellationToken);
        Assert.Equal(WebSocketMessageType.Close, result.MessageType);
        Assert.Equal((WebSocketCloseStatus.PolicyViolation, "told to"), (socket.CloseStatus, socket.CloseStatusDescription));
        await socket.CloseOutputAsync(WebSocketCloseStatus.NormalClosure, "", TestContext.Current.CancellationToken);
        await gateway.WhenIdleAsync();
    }

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task A_client_that_is_gone_is_gone_for_the_server(bool http2, bool upstreamHttp2)
    {
        await using var echo = await Echo.StartAsync(upstreamHttp2);
        await using var gateway = await echo.GatewayAsync();
        using var socket = await Echo.ConnectAsync(gateway, http2);
        socket.Abort();
        Assert.Equal("", await echo.Ended.WaitAsync(Patience, TestContext.Current.CancellationToken));
        await gateway.WhenIdleAsync();
        Assert.Equal(0, gateway.Pool.Snapshot.Members[0].Load);
    }

    [Theory]
    [MemberData(nameof(Versions))]
    public async Task A_server_that_is_gone_is_gone_for_the_client(bool http2, bool upstreamHttp2)
    {
        await using var echo = await Echo.StartAsync(upstreamHttp2);
        await using var gateway = await echo.GatewayAsync();
        using var socket = await Echo.ConnectAsync(gateway, http2);
        await socket.SendAsync(Encoding.ASCII.GetBytes("abort"), WebSocketMessageType.Text, endOfMessage: true, TestContext.Current.CancellationToken);
        await Assert.ThrowsAsync<WebSocketException>(async () => await socket.ReceiveAsync(new Memory<byte>(new byte[16]), TestContext.Current.CancellationToken));
        await gateway.WhenIdleAsync();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task One_on_which_nothing_moves_ends_at_the_limit(bool http2)
    {
        await using var echo = await Echo.StartAsync(http2: false);
        await using var gateway = await echo.GatewayAsync(new TimeoutOptions { UpgradeIdle = TimeSpan.FromMilliseconds(200) });
        using var socket = await Echo.ConnectAsync(gateway, http2);
        await Assert.ThrowsAsync<WebSocketException>(async () => await socket.ReceiveAsync(new Memory<byte>(new byte[16]), TestContext.Current.CancellationToken));
        await echo.Ended.WaitAsync(Patience, TestContext.Current.CancellationToken);
        await gateway.WhenIdleAsync();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_server_that_declines_is_heard(bool http2)
    {
        await using var backend = ScriptedBackend.Start(Answers.Status(403, "no"));
        await using var gateway = await GatewayHost.OverAsync(backend.Address);
        using var socket = new ClientWebSocket { Options = { CollectHttpResponseDetails = true } };
        await Assert.ThrowsAsync<WebSocketException>(() => Echo.ConnectAsync(socket, gateway, http2));
        Assert.Equal(HttpStatusCode.Forbidden, socket.HttpStatusCode);
        await gateway.WhenIdleAsync();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_server_that_is_not_there_is_passed_over_or_a_502(bool http2)
    {
        using var closed = new ClosedPort();
        await using var gateway = await GatewayHost.OverAsync(closed.Address);
        using var socket = new ClientWebSocket { Options = { CollectHttpResponseDetails = true } };
        await Assert.ThrowsAsync<WebSocketException>(() => Echo.ConnectAsync(socket, gateway, http2));
        Assert.Equal(HttpStatusCode.BadGateway, socket.HttpStatusCode);
    }

    [Fact]
    public async Task The_handshake_reaches_the_backend_to_the_letter_and_bytes_flow_raw_after_it()
    {
        await using var backend = ScriptedBackend.Start(async exchange =>
        {
            await exchange.WriteAsync("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\nhello");
            var buffer = new byte[5];
            for (var read = 0; read < 5;)
            {
                read += await exchange.Connection.ReadAsync(buffer.AsMemory(read));
            }

            await exchange.WriteAsync(buffer);
            await exchange.Connection.CloseAsync();
        });
        await using var gateway = await GatewayHost.OverAsync(backend.Address);
        await using var client = await RawClient.ConnectAsync(gateway.Address);
        await client.SendAsync(Wire.Get("/ws", "Connection: keep-alive, Upgrade", "Upgrade: websocket", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 13"));
        var head = await client.ReadHeadAsync();
        Assert.Equal((101, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), (head.Status, head["Sec-WebSocket-Accept"]));
        Assert.Equal("hello", Wire.Text(await client.ReadExactlyAsync(5)));
        await client.SendAsync("\u0081\u0001\u0002\u0003\u0004");
        Assert.Equal("\u0081\u0001\u0002\u0003\u0004", Wire.Text(await client.ReadExactlyAsync(5)));
        Assert.Empty((await client.ReadToEndAsync()).Bytes);
        var request = Assert.Single(backend.Requests);
        Assert.Equal(("/ws", "websocket", "dGhlIHNhbXBsZSBub25jZQ=="), (request.Target, request["Upgrade"], request["Sec-WebSocket-Key"]));
        await gateway.WhenIdleAsync();
    }

    [Fact]
    public async Task A_handshake_with_a_field_that_is_none_becomes_an_honest_502()
    {
        await using var backend = ScriptedBackend.Start(Answers.Close("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nA: b\u0001c\r\n\r\n"));
        await using var gateway = await GatewayHost.OverAsync(backend.Address);
        Wire.IsProblem(await RawClient.ExchangeAsync(gateway.Address, Wire.Get("/ws", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 13")), 502);
        await gateway.WhenIdleAsync();
    }

    [Theory]
    [InlineData("h2c")]
    [InlineData("TLS/1.0")]
    [InlineData("foo")]
    [InlineData("websocket, h2c")]
    public async Task No_other_protocol_is_tunnelled_past_the_gateway(string protocol)
    {
        await using var backend = ScriptedBackend.Start(exchange => exchange.Request.Fields.Contains("Upgrade")
            ? Answers.Raw($"HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: {protocol}\r\n\r\n")(exchange)
            : Answers.Ok("plain")(exchange));
        await using var gateway = await GatewayHost.OverAsync(backend.Address);
        var response = await RawClient.ExchangeAsync(gateway.Address, Wire.Get("/", "Connection: Upgrade, HTTP2-Settings", $"Upgrade: {protocol}", "HTTP2-Settings: AAMAAABkAAQAAP__"));
        Assert.NotEqual(101, response.Status);
        Assert.All(backend.Requests, request => Assert.False(request.Fields.Contains("Upgrade")));
    }

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    private static async Task<byte[]> ReceiveAsync(WebSocket socket)
    {
        var message = new MemoryStream();
        var buffer = new byte[32 * 1024];
        while (true)
        {
            var result = await socket.ReceiveAsync(buffer.AsMemory(), TestContext.Current.CancellationToken);
            message.Write(buffer, 0, result.Count);
            if (result.EndOfMessage)
            {
                return message.ToArray();
            }
        }
    }
}
