using System.Net;
using System.Net.Sockets;
using System.Text;

namespace ProxyKit.Testing;

/// <summary>An HTTP/1.1 client that sends exactly the bytes it is given and forgives nothing in what it reads.</summary>
/// <remarks>Whatever takes longer than <see cref="Deadline"/> throws a <see cref="TimeoutException"/> that says what had come by then.</remarks>
public sealed class RawClient : IAsyncDisposable
{
    private readonly Socket _socket;
    private readonly WireReader _reader;
    private readonly MemoryStream _received = new();

    private RawClient(Socket socket)
    {
        _socket = socket;
        _reader = new WireReader(socket, Keep);
    }

    /// <summary>How long a single step may take. The default is 20 s.</summary>
    public TimeSpan Deadline { get; set; } = TimeSpan.FromSeconds(20);

    /// <summary>Connects to the host and port of <paramref name="address"/>.</summary>
    /// <param name="address">Where to; its path is not used.</param>
    /// <param name="receiveBuffer">Bytes that the system may hold for a slow reader; its default where null.</param>
    public static async Task<RawClient> ConnectAsync(Uri address, int? receiveBuffer = null)
    {
        ArgumentNullException.ThrowIfNull(address);
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        if (receiveBuffer is { } size)
        {
            socket.ReceiveBufferSize = size;
        }

        var client = new RawClient(socket);
        var host = IPAddress.TryParse(address.Host, out var ip) ? new IPEndPoint(ip, address.Port) : (EndPoint)new DnsEndPoint(address.Host, address.Port);
        await client.WithinDeadline(token => socket.ConnectAsync(host, token).AsTask(), "connect");
        return client;
    }

    /// <summary>Connects, sends one request and reads its response.</summary>
    /// <param name="address">Where to.</param>
    /// <param name="request">The request, as Latin-1.</param>
    public static async Task<RawResponse> ExchangeAsync(Uri address, string request)
    {
        await using var client = await ConnectAsync(address);
        return await client.ExchangeAsync(request);
    }

    /// <summary>Sends one request and reads its response.</summary>
    /// <param name="request">The request, as Latin-1; its first word says whether the response may have a body.</param>
    public async Task<RawResponse> ExchangeAsync(string request)
    {
        ArgumentNullException.ThrowIfNull(request);
        await SendAsync(request);
        return await ReadResponseAsync(request.Split(' ', 2)[0]);
    }

    /// <summary>Sends text as Latin-1.</summary>
    public Task SendAsync(string text) => SendAsync(Encoding.Latin1.GetBytes(text));

    /// <summary>Sends bytes. Where the other side has gone nothing happens: what it said before may still be read.</summary>
    public Task SendAsync(ReadOnlyMemory<byte> bytes) => WithinDeadline(
        async token =>
        {
            try
            {
                while (bytes.Length > 0)
                {
                    bytes = bytes[await _socket.SendAsync(bytes, SocketFlags.None, token)..];
                }
            }
            catch (SocketException)
            {
                // A server may refuse a request before it has read all of it.
            }
        },
        "send");

    /// <summary>Reads a response: the 1xx heads before it, its head, and its body as far as it comes.</summary>
    /// <param name="method">The method that it answers: HEAD and CONNECT have no body.</param>
    /// <exception cref="InvalidDataException">What came is no head of a response.</exception>
    /// <exception cref="EndOfStreamException">The connection ended before the end of the head.</exception>
    public async Task<RawResponse> ReadResponseAsync(string method = "GET") => await ReadBodyAsync(await ReadHeadAsync(), method);

    /// <summary>Reads the head of a response and the 1xx heads before it, and leaves the body where it is.</summary>
    public Task<RawResponse> ReadHeadAsync() => WithinDeadline(
        async token =>
        {
            var informational = new List<RawResponse>();
            while (true)
            {
                var (first, fields, bytes) = await _reader.ReadHeadAsync(token)
                    ?? throw new EndOfStreamException($"The connection was {(_reader.End == ConnectionEnd.Reset ? "reset" : "closed")} where a response should begin.");
                if (!(first is ['H', 'T', 'T', 'P', '/', '1', '.', '0' or '1', ' ', >= '1' and <= '9', >= '0' and <= '9', >= '0' and <= '9', ' ', ..]))
                {
                    throw new InvalidDataException($"'{first}' is no status line.");
                }

                var head = new RawResponse(int.Parse(first[9..12], System.Globalization.CultureInfo.InvariantCulture), first[13..], fields, [.. informational]) { Head = bytes };
                if (head.Status is >= 200 or 101)
                {
                    return head;
                }

                informational.Add(head);
            }
        },
        "read a head");

    /// <summary>Reads the body that follows <paramref name="head"/>, as far as it comes.</summary>
    public async Task<RawResponse> ReadBodyAsync(RawResponse head, string method = "GET")
    {
        ArgumentNullException.ThrowIfNull(head);
        var framing = BodyFraming.OfResponse(head.Fields, head.Status, method);
        var body = new MemoryStream();
        var (end, trailers) = await WithinDeadline(token => _reader.ReadBodyAsync(framing, body, Stream.Null, token), "read a body");
        return head with { Body = body.ToArray(), End = end, Trailers = trailers };
    }

    /// <summary>Reads what there is, at least a byte; 0 once the connection has ended.</summary>
    public Task<int> ReadAsync(Memory<byte> into) => WithinDeadline(token => _reader.ReadAsync(into, token).AsTask(), "read");

    /// <summary>Reads exactly so many bytes.</summary>
    /// <exception cref="EndOfStreamException">The connection ended before.</exception>
    public async Task<byte[]> ReadExactlyAsync(int count)
    {
        var bytes = new byte[count];
        for (var read = 0; read < count;)
        {
            var part = await ReadAsync(bytes.AsMemory(read));
            read += part > 0 ? part : throw new EndOfStreamException($"The connection ended after {read} of {count} bytes.");
        }

        return bytes;
    }

    /// <summary>Reads on until the other side ends the connection.</summary>
    public Task<(byte[] Bytes, ConnectionEnd End)> ReadToEndAsync() => WithinDeadline(_reader.ReadToEndAsync, "read to the end");

    /// <summary>Says that nothing more comes (FIN); reading goes on.</summary>
    public void EndSending() => _socket.Shutdown(SocketShutdown.Send);

    /// <summary>Breaks the connection off (RST).</summary>
    public void Reset()
    {
        _socket.LingerState = new LingerOption(true, 0);
        _socket.Close();
    }

    /// <summary>Closes the connection.</summary>
    public ValueTask DisposeAsync()
    {
        _socket.Dispose();
        _received.Dispose();
        return ValueTask.CompletedTask;
    }

    // Enough to say what came when a deadline passes.
    private void Keep(ReadOnlySpan<byte> bytes)
    {
        if (_received.Length < 4096)
        {
            _received.Write(bytes);
        }
    }

    private Task<bool> WithinDeadline(Func<CancellationToken, Task> step, string name) => WithinDeadline(
        async token =>
        {
            await step(token);
            return true;
        },
        name);

    private async Task<T> WithinDeadline<T>(Func<CancellationToken, Task<T>> step, string name)
    {
        using var deadline = new CancellationTokenSource(Deadline);
        try
        {
            return await step(deadline.Token);
        }
        catch (OperationCanceledException) when (deadline.IsCancellationRequested)
        {
            var came = Encoding.Latin1.GetString(_received.GetBuffer(), 0, (int)_received.Length);
            throw new TimeoutException($"To {name} took longer than {Deadline}. Until then there came: '{came}'.");
        }
    }
}
