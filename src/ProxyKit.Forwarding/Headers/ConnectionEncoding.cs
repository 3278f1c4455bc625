using System.Text;

namespace ProxyKit.Forwarding;

/// <summary>Reads a <c>Connection</c> line as Latin-1, in a form of the same meaning of which Kestrel keeps every word.</summary>
/// <remarks>
/// Kestrel 10 puts <c>keep-alive</c>, <c>close</c> or <c>Upgrade</c> in place of the whole field where it finds just one of these in it,
/// so of <c>keep-alive, X-Secret</c> the gateway would never learn that X-Secret must end here. It leaves alone what has none of them or several: on HTTP/1.1
/// <c>keep-alive</c> says nothing that does not hold anyway (RFC 9112 §9.3), so it is taken out, or put beside the other.
/// </remarks>
internal sealed class ConnectionEncoding : Encoding
{
    public static readonly ConnectionEncoding Instance = new();

    private ConnectionEncoding()
    {
    }

    /// <summary>The line with the same meaning, of which Kestrel keeps every word; the very same where that is so already.</summary>
    public static string Kept(string line)
    {
        var (keepsAlive, closes, upgrades, names) = (false, false, false, false);
        foreach (var range in line.AsSpan().Split(','))
        {
            var word = line.AsSpan(range).Trim(" \t");
            if (word.Equals("keep-alive", StringComparison.OrdinalIgnoreCase))
            {
                keepsAlive = true;
            }
            else if (word.Equals("close", StringComparison.OrdinalIgnoreCase))
            {
                closes = true;
            }
            else if (word.Equals("upgrade", StringComparison.OrdinalIgnoreCase))
            {
                upgrades = true;
            }
            else
            {
                names |= !word.IsEmpty;
            }
        }

        return (names, keepsAlive, closes, upgrades) switch
        {
            (true, true, false, false) => WithoutKeepAlive(line),
            (true, false, true, false) or (true, false, false, true) => $"{line}, keep-alive",
            _ => line,
        };
    }

    public override int GetCharCount(byte[] bytes, int index, int count) => Read(bytes, index, count).Length;

    public override int GetChars(byte[] bytes, int byteIndex, int byteCount, char[] chars, int charIndex)
    {
        var text = Read(bytes, byteIndex, byteCount);
        text.CopyTo(chars.AsSpan(charIndex));
        return text.Length;
    }

    public override int GetMaxCharCount(int byteCount) => byteCount + ", keep-alive".Length;

    public override int GetByteCount(char[] chars, int index, int count) => Latin1.GetByteCount(chars, index, count);

    public override int GetBytes(char[] chars, int charIndex, int charCount, byte[] bytes, int byteIndex) => Latin1.GetBytes(chars, charIndex, charCount, bytes, byteIndex);

    public override int GetMaxByteCount(int charCount) => Latin1.GetMaxByteCount(charCount);

    private static string Read(byte[] bytes, int index, int count) => Kept(Latin1.GetString(bytes, index, count));

    private static string WithoutKeepAlive(string line)
    {
        var words = new List<string>();
        foreach (var range in line.AsSpan().Split(','))
        {
            var word = line.AsSpan(range).Trim(" \t");
            if (!word.IsEmpty && !word.Equals("keep-alive", StringComparison.OrdinalIgnoreCase))
            {
                words.Add(word.ToString());
            }
        }

        return string.Join(", ", words);
    }
}
