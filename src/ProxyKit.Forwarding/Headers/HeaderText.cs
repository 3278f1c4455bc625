using System.Buffers;

namespace ProxyKit.Forwarding;

/// <summary>What may stand in a header field (RFC 9110 §5.1, §5.5), and which fields a transform may not touch.</summary>
internal static class HeaderText
{
    private static readonly SearchValues<char> Token = SearchValues.Create("!#$%&'*+-.0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ^_`abcdefghijklmnopqrstuvwxyz|~");
    private static readonly SearchValues<char> Forbidden = SearchValues.Create("\r\n\0");

    public static bool IsToken(ReadOnlySpan<char> name) => !name.IsEmpty && !name.ContainsAnyExcept(Token);

    /// <summary>Whether it goes into one field and stays there. Characters beyond Latin-1 cannot be sent as one byte each, so they are refused too.</summary>
    public static bool IsValue(ReadOnlySpan<char> value) => !value.ContainsAny(Forbidden) && !value.ContainsAnyExceptInRange('\0', '\u00ff');

    public static IEnumerable<string> NameFaults(string name)
    {
        if (!IsToken(name))
        {
            yield return $"Name is '{name}'; a field's name is letters, digits and '-'.";
        }
        else if (HopByHop.IsHopByHop(name) || name.Equals("Content-Length", StringComparison.OrdinalIgnoreCase))
        {
            yield return $"Name is '{name}'; connections and the length of messages are the gateway's own affair.";
        }
    }

    // The value is not told: it may be a secret.
    public static IEnumerable<string> ValueFaults(string name, string value)
    {
        if (value is null || !IsValue(value))
        {
            yield return $"Value of '{name}' is null or holds CR, LF, NUL or a character beyond U+00FF; write one line of Latin-1.";
        }
    }
}
