using System.Buffers;

namespace ProxyKit.Forwarding;

/// <summary>What may stand in forwarding fields.</summary>
internal static class ForwardedText
{
    // reg-name, IP-literal and port of RFC 3986 §3.2; a comma would make two entries of one, so it is left out.
    private static readonly SearchValues<char> HostCharacters = SearchValues.Create("!$&'()*+-.0123456789:;=ABCDEFGHIJKLMNOPQRSTUVWXYZ[]_abcdefghijklmnopqrstuvwxyz~%");

    private static readonly SearchValues<char> PrefixCharacters = SearchValues.Create("!$&'()*+-./0123456789:;=@ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz~");

    /// <summary>Whether it is a path that may stand before others: no dot segments, nothing encoded, not the beginning of an authority.</summary>
    public static bool IsPrefix(ReadOnlySpan<char> prefix) =>
        prefix is ['/', not '/', ..] && !prefix.ContainsAnyExcept(PrefixCharacters) && !prefix.Contains("/.", StringComparison.Ordinal);

    public static bool IsHost(ReadOnlySpan<char> host) => host.Length <= 255 && !host.ContainsAnyExcept(HostCharacters);

    /// <summary>Whether the names are equal where <c>_</c> counts as <c>-</c>: CGI and its children read both as the same field.</summary>
    public static bool IsName(ReadOnlySpan<char> name, ReadOnlySpan<char> known) => name.Length == known.Length && StartsWith(name, known);

    /// <summary>As <see cref="IsName"/>, for the beginning of <paramref name="name"/>.</summary>
    public static bool StartsWith(ReadOnlySpan<char> name, ReadOnlySpan<char> known)
    {
        if (name.Length < known.Length)
        {
            return false;
        }

        for (var i = 0; i < known.Length; i++)
        {
            var (a, b) = (name[i], known[i]);
            if (a != b && !(a == '_' && b == '-') && !(char.IsAsciiLetter(a) && (a | 0x20) == (b | 0x20)))
            {
                return false;
            }
        }

        return true;
    }
}
