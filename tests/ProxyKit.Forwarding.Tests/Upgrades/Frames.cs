using System.Buffers.Binary;

using CsCheck;

namespace ProxyKit.Forwarding.Tests;

/// <summary>Frames of a WebSocket, as RFC 6455 §5.2 writes them.</summary>
internal static class Frames
{
    public const int Continuation = 0, Text = 1, Binary = 2, Close = 8, Ping = 9, Pong = 10;

    /// <summary>Whole frames of all kinds and lengths, masked or not, whether or not they make sense one after another; no Close among them.</summary>
    public static readonly Gen<byte[][]> Any = Gen.Select(
        Gen.OneOf(Gen.Int[Continuation, 3], Gen.Int[Ping, Pong]),
        Gen.Bool,
        Gen.Bool,
        Gen.OneOf(Gen.Int[0, 5], Gen.Const(125), Gen.Const(126), Gen.Int[127, 300], Gen.Const(65_535), Gen.Const(65_536)),
        Gen.Bool,
        (opcode, fin, masked, length, lavish) => Frame(opcode, length, masked, fin, lavish)).Array[1, 6];

    /// <param name="opcode">What it is.</param>
    /// <param name="length">Of the payload, which looks like frames itself.</param>
    /// <param name="masked">As a client sends it.</param>
    /// <param name="fin">Whether it ends a message.</param>
    /// <param name="lavish">Whether eight bytes tell the length, however short it is.</param>
    public static byte[] Frame(int opcode, int length, bool masked = false, bool fin = true, bool lavish = false)
    {
        var bytes = new List<byte> { (byte)((fin ? 0x80 : 0) | opcode) };
        var mask = masked ? 0x80 : 0;
        if (lavish || length > 65_535)
        {
            var eight = new byte[8];
            BinaryPrimitives.WriteInt64BigEndian(eight, length);
            bytes.AddRange([(byte)(mask | 127), .. eight]);
        }
        else if (length > 125)
        {
            bytes.AddRange([(byte)(mask | 126), (byte)(length >> 8), (byte)length]);
        }
        else
        {
            bytes.Add((byte)(mask | length));
        }

        if (masked)
        {
            bytes.AddRange([0x88, 0x02, 0x88, 0x82]);
        }

        bytes.AddRange(Enumerable.Range(0, length).Select(i => (byte)(i % 2 == 0 ? 0x88 : 0)));
        return [.. bytes];
    }
}
