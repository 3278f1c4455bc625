using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace ProxyKit.Testing;

/// <summary>HTTP/1.1 over a bounded number of kept connections.</summary>
/// <remarks>On bare sockets, because the runtime's client sends again by itself what a closed connection lost: a load must see every loss.</remarks>
internal sealed class Http1LoadClient(Uri gateway, int connections) : ILoadClient
{
    private readonly SemaphoreSlim _seats = new(connections);
    private readonly ConcurrentStack<Connection> _idle = [];
    private volatile bool _disposed;

    public async Task<LoadAnswer> SendAsync(LoadCall call, string id, string? cookie, CancellationToken cancellationToken)
    {
        Connection? connection = null;
        var (seated, keep) = (false, false);
        try
        {
            await _seats.WaitAsync(cancellationToken);
            seated = true;
            connection = Kept() ?? await Connection.OpenAsync(gateway, cancellationToken);
            await connection.SendAsync(Request(call, id, cookie), cancellationToken);
            (var answer, keep) = await connection.ReadAsync(call, cancellationToken);
            return answer;
        }
        catch (Exception fault) when (fault is SocketException or IOException or InvalidDataException or OperationCanceledException or ObjectDisposedException)
        {
            return LoadAnswer.None(fault);
        }
        finally
        {
            if (connection is not null && keep && !_disposed)
            {
                _idle.Push(connection);
            }
            else
            {
                connection?.Dispose();
            }

            if (seated)
            {
                _seats.Release();
            }
        }
    }

    public void Dispose()
    {
        _disposed = true;
        while (_idle.TryPop(out var connection))
        {
            connection.Dispose();
        }
    }

    // One that the gateway has closed meanwhile is no loss: every client looks before it sends.
    private Connection? Kept()
    {
        while (_idle.TryPop(out var connection))
        {
            if (connection.IsOpen)
            {
                return connection;
            }

            connection.Dispose();
        }

        return null;
    }

    private byte[] Request(LoadCall call, string id, string? cookie)
    {
        var isPost = call.Kind == LoadKind.Post;
        var head = string.Create(
            CultureInfo.InvariantCulture,
            $"{(isPost ? "POST" : "GET")} {call.Target} HTTP/1.1\r\nHost: {gateway.Authority}\r\n{LoadCall.IdField}: {id}\r\n{(cookie is null ? "" : $"Cookie: {cookie}\r\n")}{(isPost ? $"Content-Length: {call.Bytes}\r\n" : "")}\r\n");
        var bytes = new byte[head.Length + (isPost ? call.Bytes : 0)];
        Encoding.Latin1.GetBytes(head, bytes);
        call.Fill(0, bytes.AsSpan(head.Length));
        return bytes;
    }

    private sealed class Connection(Socket socket) : IDisposable
    {
        private readonly WireReader _reader = new(socket);

        // A connection at rest that has something to read has been closed, or is of no use.
        public bool IsOpen => !socket.Poll(0, SelectMode.SelectRead);

        public static async Task<Connection> OpenAsync(Uri gateway, CancellationToken cancellationToken)
        {
            var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
            try
            {
                var to = IPAddress.TryParse(gateway.Host, out var ip) ? new IPEndPoint(ip, gateway.Port) : (EndPoint)new DnsEndPoint(gateway.Host, gateway.Port);
                await socket.ConnectAsync(to, cancellationToken);
                return new Connection(socket);
            }
            catch
            {
                socket.Dispose();
                throw;
            }
        }

        public async Task SendAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
        {
            try
            {
                while (bytes.Length > 0)
                {
                    bytes = bytes[await socket.SendAsync(bytes, SocketFlags.None, cancellationToken)..];
                }
            }
            catch (SocketException)
            {
                // A server may answer before it has read all; whether it did is seen by reading.
            }
        }

        public async Task<(LoadAnswer Answer, bool Keep)> ReadAsync(LoadCall call, CancellationToken cancellationToken)
        {
            var (status, fields) = (0, FieldList.Empty);
            while (status < 200)
            {
                var (first, read, _) = await _reader.ReadHeadAsync(cancellationToken)
                    ?? throw new EndOfStreamException($"the connection was {(_reader.End == ConnectionEnd.Reset ? "reset" : "closed")} before an answer");
                if (first is not ['H', 'T', 'T', 'P', '/', '1', '.', _, ' ', _, _, _, ..] || !int.TryParse(first.AsSpan(9, 3), NumberStyles.None, CultureInfo.InvariantCulture, out status))
                {
                    throw new InvalidDataException($"'{first}' is no status line");
                }

                fields = read;
            }

            var answer = new LoadAnswer(LoadEnd.Cut, status, fields[LoadCall.ServerField], fields.All("Set-Cookie"));
            using var sink = new LoadSink(call);
            string fault;
            try
            {
                var (end, _) = await _reader.ReadBodyAsync(BodyFraming.OfResponse(fields, status, "GET"), sink, Stream.Null, cancellationToken);
                if (end == BodyEnd.Complete)
                {
                    var closes = fields["Connection"]?.Contains("close", StringComparison.OrdinalIgnoreCase) == true || _reader.End is not null;
                    return (answer with { End = status == 200 ? sink.End : LoadEnd.Refused, Received = sink.Count }, !closes);
                }

                fault = $"{end} after {sink.Count} of {call.AnswerBytes} bytes";
            }
            catch (OperationCanceledException)
            {
                fault = $"not whole in time, after {sink.Count} of {call.AnswerBytes} bytes";
            }

            return (answer with { End = status == 200 ? LoadEnd.Cut : LoadEnd.Refused, Received = sink.Count, Fault = fault }, false);
        }

        public void Dispose() => socket.Dispose();
    }
}
