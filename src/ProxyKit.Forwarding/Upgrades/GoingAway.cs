using System.Security.Cryptography;

namespace ProxyKit.Forwarding;

/// <summary>The frame by which a WebSocket is closed because a server goes: Close with code 1001 (RFC 6455 §5.5.1, §7.4.1).</summary>
internal static class GoingAway
{
    /// <summary>As a server sends it.</summary>
    public static byte[] ToClient() => [0x88, 0x02, 0x03, 0xE9];

    /// <summary>As a client sends it: masked by a key that nobody can foresee (§5.3).</summary>
    public static byte[] ToServer()
    {
        byte[] frame = [0x88, 0x82, 0, 0, 0, 0, 0x03, 0xE9];
        RandomNumberGenerator.Fill(frame.AsSpan(2, 4));
        frame[6] ^= frame[2];
        frame[7] ^= frame[3];
        return frame;
    }
}
