using System.Net.Sockets;
using System.Text;

namespace ProxyKit.Testing;

/// <summary>Reads HTTP/1.1 from a socket to the letter: lines end in CRLF, names are tokens, nothing is forgiven.</summary>
internal sealed class WireReader(Socket socket, Action<ReadOnlySpan<byte>>? received = null)
{
    private const int LongestLine = 4 * 1024 * 1024;

    private readonly byte[] _buffer = new byte[16 * 1024];
    private int _start;
    private int _end;

    /// <summary>How the other side ended the connection; null while it has not.</summary>
    public ConnectionEnd? End { get; private set; }

    /// <summary>What has come and nobody has read yet.</summary>
    public ReadOnlySpan<byte> Unread => _buffer.AsSpan(_start.._end);

    /// <summary>Waits for the next byte and leaves it where it is; false once the connection has ended.</summary>
    public ValueTask<bool> WaitAsync(CancellationToken cancellationToken) => FillAsync(cancellationToken);

    /// <summary>Reads what there is, at least a byte; 0 once the connection has ended.</summary>
    public async ValueTask<int> ReadAsync(Memory<byte> into, CancellationToken cancellationToken)
    {
        if (!await FillAsync(cancellationToken))
        {
            return 0;
        }

        var count = Math.Min(into.Length, _end - _start);
        _buffer.AsMemory(_start, count).CopyTo(into);
        _start += count;
        return count;
    }

    /// <summary>Reads on until the other side ends the connection.</summary>
    public async Task<(byte[] Bytes, ConnectionEnd End)> ReadToEndAsync(CancellationToken cancellationToken)
    {
        var all = new MemoryStream();
        while (await FillAsync(cancellationToken))
        {
            all.Write(Unread);
            _start = _end;
        }

        return (all.ToArray(), End!.Value);
    }

    /// <summary>Reads a head: its first line and its fields. Null where the connection ended before the first byte.</summary>
    /// <exception cref="InvalidDataException">It is no head.</exception>
    /// <exception cref="EndOfStreamException">The connection ended within it.</exception>
    public async Task<(string First, FieldList Fields, byte[] Bytes)?> ReadHeadAsync(CancellationToken cancellationToken)
    {
        if (!await FillAsync(cancellationToken))
        {
            return null;
        }

        var raw = new MemoryStream();
        var first = await ReadLineAsync(raw, cancellationToken);
        var fields = await ReadFieldsAsync(raw, cancellationToken);
        return (first, fields, raw.ToArray());
    }

    /// <summary>Reads a body into <paramref name="body"/> as far as it comes, and says how it ended.</summary>
    public async Task<(BodyEnd End, FieldList Trailers)> ReadBodyAsync(BodyFraming framing, Stream body, Stream raw, CancellationToken cancellationToken)
    {
        try
        {
            switch (framing.Kind)
            {
                case BodyKind.Length:
                    return (await CopyAsync(framing.Length, body, raw, cancellationToken) == framing.Length ? BodyEnd.Complete : Broken(), FieldList.Empty);
                case BodyKind.Chunked:
                    return await ReadChunksAsync(body, raw, cancellationToken);
                case BodyKind.UntilClose:
                    await CopyAsync(long.MaxValue, body, raw, cancellationToken);
                    return (End == ConnectionEnd.Closed ? BodyEnd.Complete : BodyEnd.Reset, FieldList.Empty);
                default:
                    return (BodyEnd.Complete, FieldList.Empty);
            }
        }
        catch (EndOfStreamException)
        {
            return (Broken(), FieldList.Empty);
        }
        catch (InvalidDataException)
        {
            return (BodyEnd.Malformed, FieldList.Empty);
        }
    }

    private BodyEnd Broken() => End == ConnectionEnd.Reset ? BodyEnd.Reset : BodyEnd.Truncated;

    private async Task<(BodyEnd End, FieldList Trailers)> ReadChunksAsync(Stream body, Stream raw, CancellationToken cancellationToken)
    {
        while (true)
        {
            var line = await ReadLineAsync(raw, cancellationToken);
            var digits = line.Split(';', 2)[0].TrimEnd(' ', '\t');
            if (digits.Length is 0 or > 15 || !digits.All(char.IsAsciiHexDigit))
            {
                throw new InvalidDataException($"'{line}' is no size of a chunk.");
            }

            var size = Convert.ToInt64(digits, 16);
            if (size == 0)
            {
                return (BodyEnd.Complete, await ReadFieldsAsync(raw, cancellationToken));
            }

            if (await CopyAsync(size, body, raw, cancellationToken) < size)
            {
                throw new EndOfStreamException();
            }

            if ((line = await ReadLineAsync(raw, cancellationToken)).Length > 0)
            {
                throw new InvalidDataException($"'{line}' stands where a chunk should end.");
            }
        }
    }

    private async Task<long> CopyAsync(long count, Stream body, Stream raw, CancellationToken cancellationToken)
    {
        var left = count;
        while (left > 0 && await FillAsync(cancellationToken))
        {
            var part = (int)Math.Min(left, _end - _start);
            body.Write(_buffer, _start, part);
            raw.Write(_buffer, _start, part);
            _start += part;
            left -= part;
        }

        return count - left;
    }

    private async Task<FieldList> ReadFieldsAsync(Stream raw, CancellationToken cancellationToken)
    {
        var fields = new List<KeyValuePair<string, string>>();
        while (await ReadLineAsync(raw, cancellationToken) is { Length: > 0 } line)
        {
            var colon = line.IndexOf(':', StringComparison.Ordinal);
            if (colon <= 0 || !line[..colon].All(IsTokenChar))
            {
                throw new InvalidDataException($"'{line}' is no field: it must start with a name and a colon.");
            }

            fields.Add(new(line[..colon], line[(colon + 1)..].Trim(' ', '\t')));
        }

        return new FieldList(fields);
    }

    private async Task<string> ReadLineAsync(Stream raw, CancellationToken cancellationToken)
    {
        var line = new MemoryStream();
        while (true)
        {
            if (!await FillAsync(cancellationToken))
            {
                throw new EndOfStreamException($"The connection was {(End == ConnectionEnd.Reset ? "reset" : "closed")} within a line, after '{Latin1(line)}'.");
            }

            var length = Unread.IndexOf((byte)'\n') + 1;
            var part = length == 0 ? _end - _start : length;
            line.Write(_buffer, _start, part);
            raw.Write(_buffer, _start, part);
            _start += part;
            if (line.Length > LongestLine)
            {
                throw new InvalidDataException($"A line is longer than {LongestLine} bytes.");
            }

            if (length > 0)
            {
                var text = Latin1(line);
                return text is [.. var whole, '\r', '\n'] && !whole.Contains('\r', StringComparison.Ordinal)
                    ? whole
                    : throw new InvalidDataException($"'{text.TrimEnd('\n')}' does not end in CRLF, or has a CR within.");
            }
        }
    }

    private async ValueTask<bool> FillAsync(CancellationToken cancellationToken)
    {
        if (_start < _end)
        {
            return true;
        }

        if (End is not null)
        {
            return false;
        }

        (_start, _end) = (0, 0);
        try
        {
            _end = await socket.ReceiveAsync(_buffer, SocketFlags.None, cancellationToken);
            End = _end == 0 ? ConnectionEnd.Closed : null;
        }
        catch (Exception fault) when (fault is SocketException or ObjectDisposedException)
        {
            End = ConnectionEnd.Reset;
        }

        received?.Invoke(Unread);
        return _end > 0;
    }

    private static string Latin1(MemoryStream bytes) => Encoding.Latin1.GetString(bytes.GetBuffer(), 0, (int)bytes.Length);

    // RFC 9110 §5.6.2.
    private static bool IsTokenChar(char c) => char.IsAsciiLetterOrDigit(c) || "!#$%&'*+-.^_`|~".Contains(c, StringComparison.Ordinal);
}
