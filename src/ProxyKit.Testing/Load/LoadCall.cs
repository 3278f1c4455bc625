using System.Globalization;

namespace ProxyKit.Testing;

/// <summary>A request of an <see cref="OpenLoad"/> as a backend sees it: what it asks for, and what the bodies must be, byte for byte.</summary>
/// <param name="Kind">What it is.</param>
/// <param name="Number">Its number within its run, from 0.</param>
/// <param name="Bytes">The length of the body: of the request where it is a POST, of the answer otherwise.</param>
public readonly record struct LoadCall(LoadKind Kind, int Number, int Bytes)
{
    /// <summary>The field that tells each request from all others: what a delivery is counted by.</summary>
    public const string IdField = "X-Load-Id";

    /// <summary>The field of an answer that says which backend gave it.</summary>
    public const string ServerField = "X-Load-Server";

    // A prime, so that bodies of different numbers differ at nearly every byte.
    private const int Period = 65_521;

    private static readonly byte[] Pattern = MakePattern();

    /// <summary>The target that asks for it.</summary>
    public string Target => string.Create(CultureInfo.InvariantCulture, $"/load/{Name(Kind)}/{Number}/{Bytes}");

    /// <summary>The length of the answer's body.</summary>
    public int AnswerBytes => Kind == LoadKind.Post ? 64 : Bytes;

    /// <summary>Reads a target; null where it is none of a load's.</summary>
    public static LoadCall? Of(string target) =>
        target?.Split('/') is ["", "load", var kind, var number, var bytes]
        && KindOf(kind) is { } known
        && int.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out var n)
        && int.TryParse(bytes, NumberStyles.None, CultureInfo.InvariantCulture, out var length)
            ? new LoadCall(known, n, length)
            : null;

    /// <summary>Writes what its body holds from <paramref name="offset"/> on.</summary>
    public void Fill(long offset, Span<byte> into)
    {
        while (into.Length > 0)
        {
            var part = Part(offset, into.Length);
            part.CopyTo(into);
            into = into[part.Length..];
            offset += part.Length;
        }
    }

    /// <summary>Whether its body holds these bytes from <paramref name="offset"/> on.</summary>
    public bool Matches(long offset, ReadOnlySpan<byte> bytes)
    {
        while (bytes.Length > 0)
        {
            var part = Part(offset, bytes.Length);
            if (!part.SequenceEqual(bytes[..part.Length]))
            {
                return false;
            }

            bytes = bytes[part.Length..];
            offset += part.Length;
        }

        return true;
    }

    private ReadOnlySpan<byte> Part(long offset, int atMost)
    {
        var at = (int)(((Number * 7_919L) + offset) % Period);
        return Pattern.AsSpan(at, Math.Min(atMost, Period - at));
    }

    private static string Name(LoadKind kind) => kind switch
    {
        LoadKind.Get => "get",
        LoadKind.Post => "post",
        _ => "stream",
    };

    private static LoadKind? KindOf(string name) => name switch
    {
        "get" => LoadKind.Get,
        "post" => LoadKind.Post,
        "stream" => LoadKind.Stream,
        _ => null,
    };

    private static byte[] MakePattern()
    {
        var (pattern, state) = (new byte[Period], 0x9E3779B9u);
        for (var i = 0; i < Period; i++)
        {
            state = unchecked((state * 1_664_525u) + 1_013_904_223u);
            pattern[i] = (byte)(state >> 24);
        }

        return pattern;
    }
}

/// <summary>What a request of an <see cref="OpenLoad"/> is.</summary>
public enum LoadKind
{
    /// <summary>A GET with a short answer.</summary>
    Get,

    /// <summary>A POST with a body and no <c>Idempotency-Key</c>: it may be delivered once at the most.</summary>
    Post,

    /// <summary>A GET with a long answer, which is on its way for a while.</summary>
    Stream,
}
