using System.Buffers;
using System.Net.Sockets;
using System.Text;

namespace ProxyKit.Testing;

/// <summary>A connection to a scripted backend, and every byte that came over it.</summary>
public sealed class BackendConnection
{
    private readonly Socket _socket;
    private readonly ArrayBufferWriter<byte> _received = new();
    private readonly TaskCompletionSource<ConnectionEnd> _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);

    internal BackendConnection(Socket socket, int number, CancellationToken stopping)
    {
        (_socket, Number, Stopping) = (socket, number, stopping);
        Reader = new WireReader(socket, Keep);
    }

    /// <summary>Its number among the backend's connections, from 1.</summary>
    public int Number { get; }

    /// <summary>Cancelled when the backend is killed or disposed.</summary>
    public CancellationToken Stopping { get; }

    /// <summary>Done when the connection has ended, and how: <see cref="ConnectionEnd.Reset"/> also where the backend itself broke it off.</summary>
    public Task<ConnectionEnd> Ended => _ended.Task;

    /// <summary>Every byte that came, in order.</summary>
    public ReadOnlyMemory<byte> Received
    {
        get
        {
            lock (_received)
            {
                return _received.WrittenMemory.ToArray();
            }
        }
    }

    internal WireReader Reader { get; }

    /// <summary>Whether this side has ended the connection.</summary>
    internal bool IsOver { get; private set; }

    /// <summary>Sends text as Latin-1.</summary>
    public Task WriteAsync(string text) => WriteAsync(Encoding.Latin1.GetBytes(text));

    /// <summary>Sends bytes.</summary>
    public async Task WriteAsync(ReadOnlyMemory<byte> bytes)
    {
        while (bytes.Length > 0)
        {
            bytes = bytes[await _socket.SendAsync(bytes, SocketFlags.None, Stopping)..];
        }
    }

    /// <summary>Reads what there is, at least a byte; 0 once the other side has ended the connection.</summary>
    public ValueTask<int> ReadAsync(Memory<byte> into) => Reader.ReadAsync(into, Stopping);

    /// <summary>Reads on until the other side ends the connection, and says how.</summary>
    public async Task<ConnectionEnd> WhenClientLeavesAsync()
    {
        var buffer = new byte[4096];
        while (await ReadAsync(buffer) > 0)
        {
        }

        return Reader.End!.Value;
    }

    /// <summary>Breaks the connection off (RST).</summary>
    public void Reset()
    {
        IsOver = true;
        try
        {
            _socket.LingerState = new LingerOption(true, 0);
        }
        catch (Exception fault) when (fault is SocketException or ObjectDisposedException)
        {
            // It is over already.
        }

        _socket.Close();
        _ended.TrySetResult(ConnectionEnd.Reset);
    }

    /// <summary>Says that nothing more comes (FIN), then reads and drops what the other side still sends.</summary>
    /// <remarks>Closing at once with bytes unread would send an RST, which may destroy what was written before.</remarks>
    public async Task CloseAsync()
    {
        IsOver = true;
        _socket.Shutdown(SocketShutdown.Send);
        _ended.TrySetResult(await WhenClientLeavesAsync());
        _socket.Close();
    }

    internal void Finish()
    {
        _ended.TrySetResult(Reader.End ?? ConnectionEnd.Closed);
        _socket.Dispose();
    }

    private void Keep(ReadOnlySpan<byte> bytes)
    {
        lock (_received)
        {
            _received.Write(bytes);
        }
    }
}
