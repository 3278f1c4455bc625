using System.Net;
using System.Net.Sockets;

namespace ProxyKit.Forwarding.Tests;

public sealed class LastWordsTests
{
    private static CancellationToken Ending => TestContext.Current.CancellationToken;

    [Fact]
    public async Task What_came_before_a_write_found_the_connection_closed_is_read_and_then_its_end()
    {
        // A server that stops says GOAWAY and closes; with something unread it resets.
        using var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen();
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(listener.LocalEndPoint!, Ending);
        await using var connection = new NetworkStream(socket, ownsSocket: true);
        using (var server = await listener.AcceptAsync(Ending))
        {
            await connection.WriteAsync("unread"u8.ToArray(), Ending);
            await server.SendAsync("goaway"u8.ToArray(), Ending);
        }

        var refused = false;
        for (var i = 0; i < 1000 && !refused; i++)
        {
            try
            {
                await connection.WriteAsync("more"u8.ToArray(), Ending);
            }
            catch (IOException)
            {
                refused = true;
            }
        }

        Assert.True(refused);
        await using var heard = new LastWords(connection);
        await heard.WriteAsync("more"u8.ToArray(), Ending);
        heard.Write("more"u8);
        var buffer = new byte[16];
        Assert.Equal(6, await heard.ReadAsync(buffer, Ending));
        Assert.Equal("goaway"u8.ToArray(), buffer[..6]);
        Assert.Equal(0, await ReadEndAsync(heard, buffer));
    }

    [Fact]
    public async Task A_write_that_fails_for_another_reason_fails()
    {
        await using var closed = new LastWords(new Broken());
        await Assert.ThrowsAsync<IOException>(() => closed.WriteAsync("more"u8.ToArray(), Ending).AsTask());
    }

    private static async Task<int> ReadEndAsync(Stream stream, byte[] buffer)
    {
        try
        {
            return await stream.ReadAsync(buffer, Ending);
        }
        catch (IOException fault) when (fault.InnerException is SocketException)
        {
            return 0;
        }
    }

    private sealed class Broken : MemoryStream
    {
        public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default) =>
            ValueTask.FromException(new IOException("The encryption failed."));
    }
}
