using System.Text;

namespace ProxyKit.Forwarding;

/// <summary>Reads the value of a <c>Connection</c> field so that Kestrel does not lose what it names.</summary>
/// <remarks>
/// Where Kestrel finds just one of <c>keep-alive</c>, <c>close</c> and <c>upgrade</c> there, it puts that word in place of the whole value, and the
/// fields named beside it would pass as if nobody had named them. With two of the words, or none, it leaves the value alone. A second line of
/// the field is out of reach from here: <c>keep-alive</c> in one and a name in the other lose the name.
/// </remarks>
internal sealed class ConnectionFieldEncoding : Encoding
{
    public static readonly ConnectionFieldEncoding Instance = new();

    private const string KeepAlive = "keep-alive";

    private ConnectionFieldEncoding()
    {
    }

    /// <summary>The same to whoever reads it, in words that Kestrel keeps. On HTTP/1.1 to keep alive is the default and need not be said; HTTP/1.0 loses it where it names fields as well.</summary>
    public static string Keep(string value)
    {
        var (keepsAlive, ends, names) = (false, false, false);
        foreach (var range in value.AsSpan().Split(','))
        {
            var token = value.AsSpan(range).Trim(" \t");
            if (Is(token, KeepAlive))
            {
                keepsAlive = true;
            }
            else if (Is(token, "close") || Is(token, "upgrade"))
            {
                ends = true;
            }
            else
            {
                names |= !token.IsEmpty;
            }
        }

        return !names ? value
            : ends && !keepsAlive ? $"{value}, {KeepAlive}"
            : keepsAlive && !ends ? string.Join(',', value.Split(',').Where(token => !Is(token.AsSpan().Trim(" \t"), KeepAlive)))
            : value;
    }

    /// <inheritdoc/>
    public override int GetCharCount(byte[] bytes, int index, int count) => Keep(Latin1.GetString(bytes, index, count)).Length;

    /// <inheritdoc/>
    public override int GetChars(byte[] bytes, int byteIndex, int byteCount, char[] chars, int charIndex)
    {
        var value = Keep(Latin1.GetString(bytes, byteIndex, byteCount));
        value.CopyTo(0, chars, charIndex, value.Length);
        return value.Length;
    }

    /// <inheritdoc/>
    public override int GetMaxCharCount(int byteCount) => byteCount + KeepAlive.Length + 2;

    /// <inheritdoc/>
    public override int GetByteCount(char[] chars, int index, int count) => Latin1.GetByteCount(chars, index, count);

    /// <inheritdoc/>
    public override int GetBytes(char[] chars, int charIndex, int charCount, byte[] bytes, int byteIndex) => Latin1.GetBytes(chars, charIndex, charCount, bytes, byteIndex);

    /// <inheritdoc/>
    public override int GetMaxByteCount(int charCount) => Latin1.GetMaxByteCount(charCount);

    private static bool Is(ReadOnlySpan<char> token, string word) => token.Equals(word, StringComparison.OrdinalIgnoreCase);
}
