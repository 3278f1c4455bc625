namespace ProxyKit.Health;

/// <summary>When a pool gets no requests for a while, because too many of them fail, and how it gets them again.</summary>
/// <remarks>
/// It counts what ended at all members together, by the same signs as <see cref="OutlierOptions"/>. So it opens where taking out members does not help:
/// a few bad ones are out long before they are half of what a pool answers.
/// </remarks>
public sealed record CircuitBreakerOptions : IValidatable, ICopyable<CircuitBreakerOptions>
{
    /// <summary>The share of failures that opens it, above 0 and at most 1. The default is 0.5.</summary>
    public double FailureShare { get; set; } = 0.5;

    /// <summary>How far back it counts. The default is 10 s.</summary>
    public TimeSpan Window { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>Requests that must have ended in that time, or it stays closed; a tenth of them while it recovers. The default is 50.</summary>
    public int MinVolume { get; set; } = 50;

    /// <summary>Failures in a row that open it whatever the volume; 0 counts none, which is the default.</summary>
    public int ConsecutiveFailures { get; set; }

    /// <summary>How long it is open: each request is refused at once. The default is 5 s.</summary>
    public TimeSpan OpenTime { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>How long it takes after that until all requests are let through; the share of them rises evenly. The default is 10 s.</summary>
    public TimeSpan RecoverTime { get; set; } = TimeSpan.FromSeconds(10);

    /// <inheritdoc/>
    public CircuitBreakerOptions Copy() => this with { };

    /// <inheritdoc/>
    public IEnumerable<string> Faults()
    {
        if (!(FailureShare > 0 && FailureShare <= 1))
        {
            yield return $"{nameof(FailureShare)} is {FailureShare}; it must be more than 0 and at most 1.";
        }

        if (MinVolume < 1)
        {
            yield return $"{nameof(MinVolume)} is {MinVolume}; it must be 1 or more.";
        }

        if (ConsecutiveFailures < 0)
        {
            yield return $"{nameof(ConsecutiveFailures)} is {ConsecutiveFailures}; it must be 0 (off) or more.";
        }

        foreach (var (name, value) in new[] { (nameof(Window), Window), (nameof(OpenTime), OpenTime), (nameof(RecoverTime), RecoverTime) })
        {
            if (value < TimeSpan.FromMilliseconds(100) || value > TimeSpan.FromHours(1))
            {
                yield return $"{name} is {value}; it must be 100 ms to an hour.";
            }
        }
    }
}
