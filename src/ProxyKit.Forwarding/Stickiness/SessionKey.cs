using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;

namespace ProxyKit.Forwarding;

/// <summary>A key that signs the sessions of one pool and disguises its members.</summary>
internal sealed class SessionKey
{
    private readonly byte[] _sign;
    private readonly byte[] _disguise;

    /// <summary>Derives it (RFC 5869), so that neither another pool nor another use of the same material comes to the same key.</summary>
    public SessionKey(ReadOnlySpan<byte> material, string pool)
    {
        _sign = Derive(material, $"ProxyKit sticky session 1 sign {pool}");
        _disguise = Derive(material, $"ProxyKit sticky session 1 member {pool}");
        Id = BinaryPrimitives.ReadUInt32BigEndian(Derive(material, $"ProxyKit sticky session 1 id {pool}")) >> 8;
    }

    /// <summary>Which key it is: 24 bits, a hint for finding it and no secret.</summary>
    public uint Id { get; }

    /// <summary>What stands for a member in its sessions: it tells nothing of it without the key.</summary>
    public ulong Disguise(string destination) =>
        BinaryPrimitives.ReadUInt64BigEndian(HMACSHA256.HashData(_disguise, Encoding.UTF8.GetBytes(destination)));

    /// <summary>Signs <paramref name="content"/> into <paramref name="signature"/>, which takes the first 16 bytes of the MAC.</summary>
    public void Sign(ReadOnlySpan<byte> content, Span<byte> signature)
    {
        Span<byte> whole = stackalloc byte[HMACSHA256.HashSizeInBytes];
        HMACSHA256.HashData(_sign, content, whole);
        whole[..SessionToken.SignatureLength].CopyTo(signature);
    }

    // A secret must not find its way into a text.
    public override string ToString() => nameof(SessionKey);

    private static byte[] Derive(ReadOnlySpan<byte> material, string purpose)
    {
        var key = new byte[32];
        HKDF.DeriveKey(HashAlgorithmName.SHA256, material, key, salt: [], Encoding.UTF8.GetBytes(purpose));
        return key;
    }
}
