namespace ProxyKit.Testing;

/// <summary>What an <see cref="OpenLoad"/> sends.</summary>
public sealed record LoadOptions : IValidatable, ICopyable<LoadOptions>
{
    /// <summary>Requests for each second; they come when they are due, whether or not those before were answered. The default is 300.</summary>
    public double Rate { get; set; } = 300;

    /// <summary>How many of the requests are GETs, beside <see cref="Posts"/> and <see cref="Streams"/>. The default is 70.</summary>
    public int Gets { get; set; } = 70;

    /// <summary>How many are POSTs. The default is 20.</summary>
    public int Posts { get; set; } = 20;

    /// <summary>How many are GETs of a long body. The default is 10.</summary>
    public int Streams { get; set; } = 10;

    /// <summary>The length of a GET's answer. The default is 256.</summary>
    public int GetBytes { get; set; } = 256;

    /// <summary>The length of a POST's body. The default is 8 KiB.</summary>
    public int PostBytes { get; set; } = 8 * 1024;

    /// <summary>The length of a stream's answer. The default is 1 MiB.</summary>
    public int StreamBytes { get; set; } = 1024 * 1024;

    /// <summary>Whether the gateway is spoken to in HTTP/2, with prior knowledge, rather than HTTP/1.1. The default is false.</summary>
    public bool Http2 { get; set; }

    /// <summary>Connections at the most, over HTTP/1.1; who finds none free waits, and the wait counts. The default is 64.</summary>
    public int Connections { get; set; } = 64;

    /// <summary>How many clients the requests come from in turn, each of which keeps the cookies that it is given; 0 keeps none. The default is 0.</summary>
    public int Clients { get; set; }

    /// <summary>Requests under way at the most; what is due while there are as many is not sent, and the report says so. The default is 2,000.</summary>
    public int MaxOutstanding { get; set; } = 2_000;

    /// <summary>How long a request may take before it is given up. The default is 30 s.</summary>
    public TimeSpan Timeout { get; set; } = TimeSpan.FromSeconds(30);

    /// <inheritdoc/>
    public LoadOptions Copy() => this with { };

    /// <inheritdoc/>
    public IEnumerable<string> Faults()
    {
        if (!(Rate > 0 && Rate <= 100_000))
        {
            yield return $"{nameof(Rate)} is {Rate}; it must be more than 0 and at most 100,000.";
        }

        if (Gets < 0 || Posts < 0 || Streams < 0 || (long)Gets + Posts + Streams is < 1 or > 1_000_000)
        {
            yield return $"{nameof(Gets)} is {Gets}, {nameof(Posts)} {Posts}, {nameof(Streams)} {Streams}; each must be 0 or more, and their sum 1 to a million.";
        }

        foreach (var (name, bytes) in ((string, int)[])[(nameof(GetBytes), GetBytes), (nameof(PostBytes), PostBytes), (nameof(StreamBytes), StreamBytes)])
        {
            if (bytes is < 1 or > 1024 * 1024 * 1024)
            {
                yield return $"{name} is {bytes}; it must be 1 to 1 GiB.";
            }
        }

        if (Connections < 1)
        {
            yield return $"{nameof(Connections)} is {Connections}; it must be 1 or more.";
        }

        if (Clients < 0)
        {
            yield return $"{nameof(Clients)} is {Clients}; it must be 0 (no cookies) or more.";
        }

        if (MaxOutstanding < 1)
        {
            yield return $"{nameof(MaxOutstanding)} is {MaxOutstanding}; it must be 1 or more.";
        }

        if (Timeout <= TimeSpan.Zero || Timeout > TimeSpan.FromHours(1))
        {
            yield return $"{nameof(Timeout)} is {Timeout}; it must be more than 0 and at most an hour.";
        }
    }

    /// <summary>What request <paramref name="number"/> is: mixed well, and the same in every run.</summary>
    internal LoadCall Call(int number)
    {
        // SplitMix64's finish (Steele et al. 2014): neighbours have nothing in common.
        var mixed = unchecked((ulong)(number + 1) * 0x9E3779B97F4A7C15UL);
        mixed = unchecked((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9UL);
        mixed = unchecked((mixed ^ (mixed >> 27)) * 0x94D049BB133111EBUL);
        var draw = (int)((mixed ^ (mixed >> 31)) % (ulong)(Gets + Posts + Streams));
        return draw < Gets ? new LoadCall(LoadKind.Get, number, GetBytes)
            : draw < Gets + Posts ? new LoadCall(LoadKind.Post, number, PostBytes)
            : new LoadCall(LoadKind.Stream, number, StreamBytes);
    }
}
