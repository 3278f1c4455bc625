using System.Globalization;
using System.IO.Hashing;
using System.Runtime.InteropServices;

namespace ProxyKit.Forwarding;

/// <summary>Hashes what a key is made of. Its seed is fixed: every process, and every gateway of a group, must come to the same member.</summary>
internal static class KeyHash
{
    private const long Seed = 0x50726F78794B6974; // "ProxyKit"

    public static ulong Of(ReadOnlySpan<byte> bytes) => XxHash3.HashToUInt64(bytes, Seed);

    /// <summary>The hash of a text; null of an empty one, which keeps nothing together.</summary>
    public static ulong? Of(ReadOnlySpan<char> text) => text.IsEmpty ? null : Of(MemoryMarshal.AsBytes(text));

    public static ulong? Of(object? value) => value switch
    {
        null => null,
        string text => Of(text.AsSpan()),
        _ => Of(Convert.ToString(value, CultureInfo.InvariantCulture).AsSpan()),
    };
}
