using System.Buffers;

namespace ProxyKit.Forwarding;

/// <summary>
/// Judges a request's target. What is routed on is the decoded path, what is sent is the raw one: where a destination could read
/// the raw one differently, the request is refused, or a rule on the path could be walked around.
/// </summary>
internal static class TargetRule
{
    private const string DotSegment = "The path holds a dot segment; resolve it before sending.";

    private static readonly SearchValues<char> Doubtful = SearchValues.Create("%\\#");

    /// <summary>Why the target is refused; null where it is fit to be sent.</summary>
    /// <param name="target">The target as it came: origin-form, with its query.</param>
    /// <param name="allowAmbiguous">Whether encoded slashes and backslashes may pass.</param>
    public static string? Fault(ReadOnlySpan<char> target, bool allowAmbiguous)
    {
        if (target.ContainsAnyExceptInRange('!', '~'))
        {
            return "The target holds a character that is not allowed in it; percent-encode it.";
        }

        var query = target.IndexOf('?');
        var path = query < 0 ? target : target[..query];
        if (query >= 0 && target[query..].Contains('#'))
        {
            return "The target holds a '#'; percent-encode it.";
        }

        return path.ContainsAny(Doubtful) || path.Contains("/.", StringComparison.Ordinal) ? Look(path, allowAmbiguous) : null;
    }

    private static string? Look(ReadOnlySpan<char> path, bool allowAmbiguous)
    {
        if (path.Contains('#'))
        {
            return "The target holds a '#'; percent-encode it.";
        }

        if (path.Contains('\\') && !allowAmbiguous)
        {
            return "The path holds a backslash, which some servers read as a slash.";
        }

        foreach (var range in path.Split('/'))
        {
            var segment = path[range];
            var (dots, others, parameters) = (0, 0, false);
            var before = '\0'; // the encoded byte just before, where there was one
            for (var i = 0; i < segment.Length; i++)
            {
                var character = segment[i];
                if (character == '%')
                {
                    if (i + 2 >= segment.Length || !char.IsAsciiHexDigit(segment[i + 1]) || !char.IsAsciiHexDigit(segment[i + 2]))
                    {
                        return "The path holds a '%' that begins no percent-encoding.";
                    }

                    character = (char)((Value(segment[i + 1]) * 16) + Value(segment[i + 2]));
                    i += 2;
                    if (character < ' ' || character == 127)
                    {
                        return "The path holds an encoded control character.";
                    }

                    if (character is '/' or '\\' && !allowAmbiguous)
                    {
                        return "The path holds an encoded slash or backslash, which some servers read as a separator.";
                    }

                    // RFC 3629 §3: no character is written longer than it need be; lax decoders read '%C0%AE' as a dot.
                    if (character is >= '\u0080' and <= '\u00bf' && (before is '\u00c0' or '\u00c1' || (before == '\u00e0' && character < '\u00a0') || (before == '\u00f0' && character < '\u0090')))
                    {
                        return "The path holds an overlong encoding, which is no UTF-8.";
                    }

                    before = character;
                }
                else
                {
                    before = '\0';
                }

                if (character is '/' or '\\')
                {
                    // Where these may pass they are still no way to say '..': for servers that read them as slashes a segment ends here.
                    if (others == 0 && dots is (1 or 2))
                    {
                        return DotSegment;
                    }

                    (dots, others, parameters) = (0, 0, false);
                    continue;
                }

                // Some servers cut parameters off before they look: for them '..;x' is '..'.
                parameters |= character == ';';
                if (!parameters)
                {
                    dots += character == '.' ? 1 : 0;
                    others += character == '.' ? 0 : 1;
                }
            }

            if (others == 0 && dots is (1 or 2))
            {
                return DotSegment;
            }
        }

        return null;
    }

    private static int Value(char digit) => char.IsAsciiDigit(digit) ? digit - '0' : (digit | 0x20) - 'a' + 10;
}
