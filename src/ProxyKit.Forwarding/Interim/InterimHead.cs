using System.Buffers;
using System.Text;

using Microsoft.Extensions.Primitives;

namespace ProxyKit.Forwarding;

/// <summary>Reads interim heads, and writes what of them may go to a client.</summary>
internal static class InterimHead
{
    /// <summary>Bytes after which it is known what kind of head begins: <c>HTTP/1.1 103</c> and what ends the number.</summary>
    public const int Known = 13;

    private static readonly SearchValues<byte> Controls = SearchValues.Create([.. Enumerable.Range(0, 32).Where(octet => octet != '\t').Select(octet => (byte)octet), 127]);

    /// <summary>The status of an interim head; null for all else: final heads, 101, which ends HTTP, and what is no HTTP/1.1.</summary>
    public static int? Status(ReadOnlySpan<byte> start) =>
        start.Length >= Known
        && start.StartsWith("HTTP/1.1 1"u8)
        && char.IsAsciiDigit((char)start[10]) && char.IsAsciiDigit((char)start[11])
        && start[12] is (byte)' ' or (byte)'\r'
        && (100 + ((start[10] - '0') * 10) + (start[11] - '0')) is not 101 and var status ? status : null;

    /// <summary>
    /// Writes the head with the fields that may pass, by the rule for final heads. False where it is not strictly HTTP/1.1: the handler is more
    /// lenient, so where it sees the head's end is then in doubt, and nothing may be taken from it.
    /// </summary>
    /// <param name="head">The head, with the empty line at its end.</param>
    /// <param name="output">Where to. Of a head that is refused, parts may have been written.</param>
    public static bool TryWrite(ReadOnlySpan<byte> head, IBufferWriter<byte> output)
    {
        var lines = head[..^2]; // each line now ends in CR LF, the last one too
        var connection = default(StringValues);
        for (var isFirst = true; !lines.IsEmpty; isFirst = false)
        {
            var line = NextLine(ref lines);
            if (line.ContainsAny(Controls))
            {
                return false;
            }

            if (isFirst)
            {
                continue;
            }

            var colon = line.IndexOf((byte)':');
            if (colon < 0 || !HeaderText.IsToken(Encoding.Latin1.GetString(line[..colon])))
            {
                return false; // among them folded lines (RFC 9112 §5.2)
            }

            if (Ascii.EqualsIgnoreCase(line[..colon], "Connection"u8))
            {
                connection = StringValues.Concat(connection, Encoding.Latin1.GetString(line[(colon + 1)..]));
            }
        }

        var tokens = new ConnectionTokens(connection);
        lines = head[..^2];
        output.Write(NextLine(ref lines));
        output.Write("\r\n"u8);
        while (!lines.IsEmpty)
        {
            var line = NextLine(ref lines);
            var name = Encoding.Latin1.GetString(line[..line.IndexOf((byte)':')]);

            // A length has no place here (RFC 9110 §8.6); a client that believed it would take the final head for a body.
            if (!HopByHop.IsHopByHop(name) && !tokens.Contains(name) && !name.Equals("Content-Length", StringComparison.OrdinalIgnoreCase))
            {
                output.Write(line);
                output.Write("\r\n"u8);
            }
        }

        output.Write("\r\n"u8);
        return true;
    }

    // Up to the next CR LF, which is there.
    private static ReadOnlySpan<byte> NextLine(ref ReadOnlySpan<byte> lines)
    {
        var end = lines.IndexOf("\r\n"u8);
        var line = lines[..end];
        lines = lines[(end + 2)..];
        return line;
    }
}
