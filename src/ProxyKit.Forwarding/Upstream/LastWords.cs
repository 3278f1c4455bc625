using System.Net.Sockets;

namespace ProxyKit.Forwarding;

/// <summary>A connection to a destination on HTTP/2 that is heard out: where a write finds it closed, what came before is still read.</summary>
/// <remarks>
/// A server that stops says <c>GOAWAY</c>, and with it which streams it has not touched (RFC 9113 §6.8), and closes. The client writes at the same
/// time, and a write that failed would end every stream before that frame was read: nobody could tell then what may be sent again. A socket that has
/// refused a write is closed, so that the reader finds the end right behind the last frame, and the end is told there.
/// </remarks>
internal sealed class LastWords(Stream connection) : WatchedConnection(connection)
{
    /// <inheritdoc/>
    public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        var write = Connection.WriteAsync(buffer, cancellationToken);
        return write.IsCompletedSuccessfully ? write : WriteLaterAsync(write);
    }

    /// <inheritdoc/>
    public override void Write(byte[] buffer, int offset, int count)
    {
        try
        {
            Connection.Write(buffer, offset, count);
        }
        catch (IOException fault) when (fault.InnerException is SocketException)
        {
        }
    }

    private static async ValueTask WriteLaterAsync(ValueTask write)
    {
        try
        {
            await write.ConfigureAwait(false);
        }
        catch (IOException fault) when (fault.InnerException is SocketException)
        {
            // The reader will say it.
        }
    }
}
