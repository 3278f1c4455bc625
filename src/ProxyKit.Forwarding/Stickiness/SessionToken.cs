using System.Buffers;
using System.Buffers.Binary;
using System.Buffers.Text;
using System.Security.Cryptography;

namespace ProxyKit.Forwarding;

/// <summary>What a client holds of its session.</summary>
/// <remarks>
/// 36 bytes, so that base64url (RFC 4648 §5) has no spare bits and each value has one spelling: version (1), key (3), member (8), born (4), seen (4),
/// HMAC-SHA-256 of all that (the first 16). Times are seconds since 1970.
/// </remarks>
/// <param name="Key">The key that signs it.</param>
/// <param name="Member">The member, disguised by that key.</param>
/// <param name="Born">When the session began.</param>
/// <param name="Seen">When the token was issued.</param>
internal readonly record struct SessionToken(SessionKey Key, ulong Member, uint Born, uint Seen)
{
    public const int SignatureLength = 16;
    public const int TextLength = 48;
    private const int Length = 36;
    private const int ContentLength = Length - SignatureLength;
    private const byte Version = 1;

    /// <summary>Reads a token; false where it is none of this version, no key has signed it, or a bit of it was changed.</summary>
    public static bool TryRead(ReadOnlySpan<char> text, SessionKeys keys, out SessionToken token)
    {
        token = default;
        Span<byte> bytes = stackalloc byte[Length];

        // TryDecodeFromChars throws on a character that does not belong there; this form tells.
        if (text.Length != TextLength || Base64Url.DecodeFromChars(text, bytes, out _, out var written) != OperationStatus.Done || written != Length || bytes[0] != Version)
        {
            return false;
        }

        var id = BinaryPrimitives.ReadUInt32BigEndian(bytes) & 0xFF_FFFF;
        if (keys.Find(id) is not { } key)
        {
            return false;
        }

        Span<byte> signature = stackalloc byte[SignatureLength];
        key.Sign(bytes[..ContentLength], signature);
        if (!CryptographicOperations.FixedTimeEquals(signature, bytes[ContentLength..]))
        {
            return false;
        }

        token = new(key, BinaryPrimitives.ReadUInt64BigEndian(bytes[4..]), BinaryPrimitives.ReadUInt32BigEndian(bytes[12..]), BinaryPrimitives.ReadUInt32BigEndian(bytes[16..]));
        return true;
    }

    /// <summary>The token as a text, signed.</summary>
    public string Write()
    {
        Span<byte> bytes = stackalloc byte[Length];
        BinaryPrimitives.WriteUInt32BigEndian(bytes, Key.Id);
        bytes[0] = Version;
        BinaryPrimitives.WriteUInt64BigEndian(bytes[4..], Member);
        BinaryPrimitives.WriteUInt32BigEndian(bytes[12..], Born);
        BinaryPrimitives.WriteUInt32BigEndian(bytes[16..], Seen);
        Key.Sign(bytes[..ContentLength], bytes[ContentLength..]);
        return Base64Url.EncodeToString(bytes);
    }

    public override string ToString() => nameof(SessionToken);
}
