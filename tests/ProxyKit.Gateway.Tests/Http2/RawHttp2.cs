using System.Buffers.Binary;
using System.Globalization;
using System.Text;

namespace ProxyKit.Gateway.Tests;

/// <summary>An HTTP/2 client that sends whatever fields it is given, right or wrong, one request on stream 1, and tells what came of it.</summary>
/// <remarks>RFC 9113 for frames; of RFC 7541 only literals without indexing, and of answers only their status.</remarks>
internal sealed class RawHttp2 : IAsyncDisposable
{
    private const byte Data = 0, Headers = 1, Reset = 3, Settings = 4, Ping = 6, GoAway = 7;
    private const byte EndStream = 1, EndHeaders = 4;

    private readonly RawClient _client;

    private RawHttp2(RawClient client) => _client = client;

    public static async Task<RawHttp2> ConnectAsync(Uri address)
    {
        var http2 = new RawHttp2(await RawClient.ConnectAsync(address));
        await http2._client.SendAsync("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        await http2.SendAsync(Settings, 0, 0, []);
        return http2;
    }

    /// <summary>The four pseudo-fields of a request that is in order.</summary>
    public static (string Name, string Value)[] Ordinary(string method = "GET", string path = "/") =>
        [(":method", method), (":scheme", "http"), (":authority", "shop.example"), (":path", path)];

    public Task SendFieldsAsync((string Name, string Value)[] fields, bool end)
    {
        var block = new MemoryStream();
        foreach (var (name, value) in fields)
        {
            block.WriteByte(0);
            Write(block, name);
            Write(block, value);
        }

        return SendAsync(Headers, (byte)(EndHeaders | (end ? EndStream : 0)), 1, block.ToArray());
    }

    public Task SendDataAsync(string text, bool end) => SendAsync(Data, end ? EndStream : (byte)0, 1, Encoding.Latin1.GetBytes(text));

    /// <summary>What came of the request: a status such as <c>200</c>, <c>reset</c>, <c>goaway</c> or <c>closed</c>.</summary>
    public async Task<string> ReadAsync()
    {
        while (true)
        {
            byte[] frame, payload;
            try
            {
                frame = await _client.ReadExactlyAsync(9);
                payload = await _client.ReadExactlyAsync((frame[0] << 16) | (frame[1] << 8) | frame[2]);
            }
            catch (EndOfStreamException)
            {
                return "closed";
            }

            switch (frame[3])
            {
                case Settings when (frame[4] & 1) == 0:
                    await SendAsync(Settings, 1, 0, []);
                    break;
                case Ping when (frame[4] & 1) == 0:
                    await SendAsync(Ping, 1, 0, payload);
                    break;
                case Headers:
                    return Status(payload);
                case Reset:
                    return "reset";
                case GoAway:
                    return "goaway";
                default:
                    break;
            }
        }
    }

    public ValueTask DisposeAsync() => _client.DisposeAsync();

    private static string Status(byte[] block) => block[0] switch
    {
        >= 0x88 and <= 0x8E => new[] { 200, 204, 206, 304, 400, 404, 500 }[block[0] - 0x88].ToString(CultureInfo.InvariantCulture),
        0x48 or 0x08 or 0x18 when block[1] == 3 => Encoding.ASCII.GetString(block, 2, 3),
        _ => throw new InvalidDataException($"0x{block[0]:x2} begins no block of fields that this reads."),
    };

    private static void Write(MemoryStream block, string text)
    {
        var bytes = Encoding.Latin1.GetBytes(text);
        if (bytes.Length < 127)
        {
            block.WriteByte((byte)bytes.Length);
        }
        else
        {
            block.WriteByte(127);
            var rest = bytes.Length - 127;
            for (; rest >= 128; rest /= 128)
            {
                block.WriteByte((byte)((rest % 128) + 128));
            }

            block.WriteByte((byte)rest);
        }

        block.Write(bytes);
    }

    private Task SendAsync(byte type, byte flags, int stream, byte[] payload)
    {
        var frame = new byte[9 + payload.Length];
        BinaryPrimitives.WriteInt32BigEndian(frame, (payload.Length << 8) | type);
        frame[4] = flags;
        BinaryPrimitives.WriteInt32BigEndian(frame.AsSpan(5), stream);
        payload.CopyTo(frame, 9);
        return _client.SendAsync(frame);
    }
}
