using System.Buffers;
using System.Text;

using Microsoft.Extensions.Primitives;

namespace ProxyKit.Forwarding;

/// <summary>One hop as a <c>Forwarded</c> field tells it (RFC 7239 §4).</summary>
/// <param name="For">Who asked, unquoted; null where it does not say.</param>
/// <param name="Host">The <c>Host</c> that was asked for.</param>
/// <param name="Proto">The scheme that was used.</param>
internal readonly record struct ForwardedElement(string? For, string? Host, string? Proto)
{
    // token of RFC 9110 §5.6.2
    private static readonly SearchValues<char> Token = SearchValues.Create("!#$%&'*+-.0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ^_`abcdefghijklmnopqrstuvwxyz|~");

    /// <summary>
    /// The hops of all lines, the nearest last. Null stands for one that cannot be read, and nothing before it is told: an open quote
    /// of the client's must not swallow what the proxy wrote after it.
    /// </summary>
    public static List<ForwardedElement?> Parse(StringValues lines)
    {
        var elements = new List<ForwardedElement?>();
        foreach (var line in lines)
        {
            ParseLine(line, elements);
        }

        return elements;
    }

    /// <summary>A value as it stands after <c>=</c>: a token as it is, all else quoted (RFC 7239 §4: so are IPv6 addresses and ports).</summary>
    public static string Quoted(string value)
    {
        if (value.Length > 0 && !value.AsSpan().ContainsAnyExcept(Token))
        {
            return value;
        }

        var text = new StringBuilder(value.Length + 2).Append('"');
        foreach (var character in value)
        {
            if (character is '"' or '\\')
            {
                text.Append('\\');
            }

            text.Append(character);
        }

        return text.Append('"').ToString();
    }

    private static void ParseLine(ReadOnlySpan<char> line, List<ForwardedElement?> elements)
    {
        var broken = elements.Count;
        while (true)
        {
            line = line.Trim(" \t");
            if (line.IsEmpty)
            {
                return;
            }

            if (line[0] == ',')
            {
                line = line[1..]; // an empty element (RFC 9110 §5.6.1)
                continue;
            }

            if (!TryElement(ref line, out var element))
            {
                // Where this element ends cannot be told, so neither can what comes after it.
                elements.RemoveRange(broken, elements.Count - broken);
                elements.Add(null);
                return;
            }

            elements.Add(element);
        }
    }

    // pair *( ";" pair ), up to a comma or the end
    private static bool TryElement(ref ReadOnlySpan<char> line, out ForwardedElement element)
    {
        element = default;
        while (true)
        {
            var equals = line.IndexOf('=');
            if (equals <= 0 || line[..equals].Trim(" \t").ContainsAnyExcept(Token))
            {
                return false;
            }

            var name = line[..equals].Trim(" \t");
            line = line[(equals + 1)..].TrimStart(" \t");
            if (!TryValue(ref line, out var value))
            {
                return false;
            }

            element = name.Equals("for", StringComparison.OrdinalIgnoreCase) && element.For is null ? element with { For = value }
                : name.Equals("host", StringComparison.OrdinalIgnoreCase) && element.Host is null ? element with { Host = value }
                : name.Equals("proto", StringComparison.OrdinalIgnoreCase) && element.Proto is null ? element with { Proto = value }
                : element;
            line = line.TrimStart(" \t");
            if (line.IsEmpty || line[0] == ',')
            {
                return true;
            }

            if (line[0] != ';')
            {
                return false;
            }

            line = line[1..].TrimStart(" \t");
            if (line.IsEmpty || line[0] == ',')
            {
                return true; // a semicolon at the end, as some write it
            }
        }
    }

    private static bool TryValue(ref ReadOnlySpan<char> line, out string value)
    {
        value = "";
        if (line is not ['"', ..])
        {
            // Many write addresses without the quotes that a colon or bracket needs; their meaning is plain.
            var end = line.IndexOfAny(",; \t\"");
            value = (end < 0 ? line : line[..end]).ToString();
            line = end < 0 ? [] : line[end..];
            return value.Length > 0 && (line.IsEmpty || line[0] != '"');
        }

        var text = new StringBuilder();
        for (var i = 1; i < line.Length; i++)
        {
            if (line[i] == '"')
            {
                value = text.ToString();
                line = line[(i + 1)..];
                return true;
            }

            if (line[i] == '\\' && ++i == line.Length)
            {
                return false;
            }

            text.Append(line[i]);
        }

        return false;
    }
}
