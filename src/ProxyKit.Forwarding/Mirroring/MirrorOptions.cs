namespace ProxyKit.Forwarding;

/// <summary>Sends a copy of a route's requests to another pool and throws the answers away, to try it under real traffic.</summary>
public sealed record MirrorOptions : IValidatable, ICopyable<MirrorOptions>
{
    /// <summary>The pool that gets the copies.</summary>
    public string Pool { get; set; } = "";

    /// <summary>The share of requests that are copied, 0 to 1. The default is 1.</summary>
    public double Share { get; set; } = 1;

    /// <summary>Copies under way at once; beyond that, requests go uncopied rather than wait. The default is 100.</summary>
    public int MaxConcurrent { get; set; } = 100;

    /// <summary>The largest body that is copied, in bytes; a request with a larger one goes uncopied. The default is 64 KiB.</summary>
    public int MaxBodyBytes { get; set; } = 64 * 1024;

    /// <summary>How long a copy may take. The default is 10 s.</summary>
    public TimeSpan Timeout { get; set; } = TimeSpan.FromSeconds(10);

    /// <inheritdoc/>
    public MirrorOptions Copy() => this with { };

    /// <inheritdoc/>
    public IEnumerable<string> Faults()
    {
        if (string.IsNullOrWhiteSpace(Pool))
        {
            yield return $"{nameof(Pool)} is empty; name the pool that gets the copies.";
        }

        if (!(Share >= 0 && Share <= 1))
        {
            yield return $"{nameof(Share)} is {Share}; it must be 0 to 1.";
        }

        if (MaxConcurrent < 1)
        {
            yield return $"{nameof(MaxConcurrent)} is {MaxConcurrent}; it must be 1 or more.";
        }

        if (MaxBodyBytes is < 0 or > 64 * 1024 * 1024)
        {
            yield return $"{nameof(MaxBodyBytes)} is {MaxBodyBytes}; it must be 0 to 64 MiB.";
        }

        if (Timeout <= TimeSpan.Zero || Timeout > TimeSpan.FromHours(1))
        {
            yield return $"{nameof(Timeout)} is {Timeout}; it must be more than 0 and at most an hour.";
        }
    }
}
