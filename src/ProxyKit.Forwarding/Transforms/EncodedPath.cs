using System.Buffers;

using Microsoft.AspNetCore.Http;

namespace ProxyKit.Forwarding;

/// <summary>Percent-encoded paths and queries as they may be sent (RFC 3986 §3.3, §3.4).</summary>
internal static class EncodedPath
{
    // Visible ASCII but for what ends a path; a client's path may hold more of it than the RFC allows, and passes as it came.
    private static readonly SearchValues<char> PathCharacters =
        SearchValues.Create("!\"$%&'()*+,-./0123456789:;<=>@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~");

    private static readonly SearchValues<char> QueryCharacters =
        SearchValues.Create("!\"$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~");

    /// <summary>
    /// Whether it can be sent as a path: it begins with a slash, holds neither query nor anything that would end the request's line, is
    /// encoded well, and no server can read a dot segment or a control character in it.
    /// </summary>
    public static bool IsSafe(ReadOnlySpan<char> path) =>
        path is ['/', ..] && !path.ContainsAnyExcept(PathCharacters) && !HoldsDotSegment(path);

    /// <summary>Whether it can be sent as a query: empty, or what follows a <c>?</c>, with nothing that would end the request's line.</summary>
    public static bool IsSafeQuery(ReadOnlySpan<char> query) => query.IsEmpty || (query[0] == '?' && !query.ContainsAnyExcept(QueryCharacters));

    /// <summary>The path, if it can be sent; otherwise the request is refused as a bad one.</summary>
    /// <exception cref="BadHttpRequestException">It cannot.</exception>
    public static string Checked(string path, string transform) => IsSafe(path)
        ? path
        : throw new BadHttpRequestException($"The path cannot be rewritten by {transform}: what comes out is no path that is safe to send.");

    /// <summary>One value as (part of) a segment: every character that is not unreserved is encoded, slashes and percent signs too.</summary>
    public static string Segment(string value) => Uri.EscapeDataString(value);

    /// <summary>What follows <paramref name="prefix"/> in <paramref name="path"/>, beginning with a slash; null where the path does not begin with it.</summary>
    /// <param name="path">The path, percent-encoded.</param>
    /// <param name="prefix">The prefix as routing knows it: decoded to UTF-8, no slash at its end. Its letters match in either case, as routes do.</param>
    public static string? After(string path, ReadOnlySpan<byte> prefix)
    {
        var at = 0;
        foreach (var expected in prefix)
        {
            if (at == path.Length)
            {
                return null;
            }

            // An encoded slash is no separator, though routing sees %61 as an 'a'.
            var (value, length) = ByteAt(path, at);
            if (!Same(value, expected) || (length == 3 && value == '/'))
            {
                return null;
            }

            at += length;
        }

        return at == path.Length ? "/"
            : path[at] == '/' ? path[at..]
            : null;
    }

    private static (int Value, int Length) ByteAt(ReadOnlySpan<char> text, int at) =>
        text[at] == '%' && at + 2 < text.Length && char.IsAsciiHexDigit(text[at + 1]) && char.IsAsciiHexDigit(text[at + 2])
            ? ((Digit(text[at + 1]) * 16) + Digit(text[at + 2]), 3)
            : (text[at], 1);

    private static bool Same(int a, int b) => a == b || (a < 128 && char.IsAsciiLetter((char)a) && (a | 0x20) == (b | 0x20));

    // Encoded dots are dots, encoded slashes and backslashes may be read as slashes, and some servers cut ';parameters' off a segment first.
    private static bool HoldsDotSegment(ReadOnlySpan<char> path)
    {
        var (dots, others, inParameters) = (0, 0, false);
        for (var at = 0; at < path.Length;)
        {
            if (path[at] == '%' && ByteAt(path, at).Length != 3)
            {
                return true; // no encoding at all; how a server reads it nobody knows
            }

            var (value, length) = ByteAt(path, at);
            at += length;
            if (value is < ' ' or 127)
            {
                return true;
            }

            if (value is '/' or '\\')
            {
                if (others == 0 && dots is (1 or 2))
                {
                    return true;
                }

                (dots, others, inParameters) = (0, 0, false);
                continue;
            }

            inParameters |= value == ';';
            if (!inParameters)
            {
                dots += value == '.' ? 1 : 0;
                others += value == '.' ? 0 : 1;
            }
        }

        return others == 0 && dots is (1 or 2);
    }

    private static int Digit(char digit) => char.IsAsciiDigit(digit) ? digit - '0' : (digit | 0x20) - 'a' + 10;
}
