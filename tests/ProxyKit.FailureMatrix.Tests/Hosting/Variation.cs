using System.Globalization;

namespace ProxyKit.FailureMatrix.Tests;

/// <summary>In what way a row of the matrix is run.</summary>
/// <param name="Http2">Whether both sides of the gateway speak HTTP/2.</param>
/// <param name="Sticky">Whether clients stick to backends by cookie.</param>
public sealed record Variation(bool Http2 = false, bool Sticky = false)
{
    /// <summary>Short runs for every build; with PROXYKIT_MATRIX=full, or a number of seconds, the runs that are published.</summary>
    private static readonly string? Wanted = Environment.GetEnvironmentVariable("PROXYKIT_MATRIX");

    public static bool IsFull => Wanted is { Length: > 0 };

    /// <summary>How long a row's load lasts: 2.4 s, or 30.</summary>
    public static TimeSpan Length => TimeSpan.FromSeconds(!IsFull ? 2.4 : double.TryParse(Wanted, CultureInfo.InvariantCulture, out var seconds) ? seconds : 30);

    /// <summary>When the fault begins.</summary>
    public static TimeSpan Event => Length / 3;

    /// <summary>What a row is run in; in short, once.</summary>
    public static TheoryData<Variation> All => IsFull
        ? [new Variation(), new Variation(Sticky: true), new Variation(Http2: true), new Variation(Http2: true, Sticky: true)]
        : [new Variation()];

    /// <summary>The same for rows that are about connections: in short, once for each version of HTTP.</summary>
    public static TheoryData<Variation> Both => IsFull ? All : [new Variation(), new Variation(Http2: true, Sticky: true)];

    /// <summary>The load of it: 300 requests a second, 70 % GETs, 20 % POSTs of 8 KiB, 10 % streams of 1 MiB.</summary>
    public LoadOptions Load => new() { Http2 = Http2, Clients = Sticky ? 40 : 0, Timeout = TimeSpan.FromSeconds(20) };

    public override string ToString() => $"{(Http2 ? "h2" : "h1")}{(Sticky ? ", sticky" : "")}";
}
