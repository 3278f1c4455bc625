namespace ProxyKit.Forwarding;

/// <summary>Sends a slow idempotent request to a second member as well, and takes the answer that comes first.</summary>
/// <remarks>Dean and Barroso, "The Tail at Scale", 2013. Hedges draw on the retry budget.</remarks>
public sealed record HedgeOptions : IValidatable, ICopyable<HedgeOptions>
{
    /// <summary>How long the first attempt may take before a second is sent; zero takes the 95th percentile of the pool's recent answers, and at least 10 ms. The default is zero.</summary>
    public TimeSpan Delay { get; set; }

    /// <summary>Attempts that may be under way at once. The default is 2.</summary>
    public int MaxAttempts { get; set; } = 2;

    /// <inheritdoc/>
    public HedgeOptions Copy() => this with { };

    /// <inheritdoc/>
    public IEnumerable<string> Faults()
    {
        if (Delay < TimeSpan.Zero || Delay > TimeSpan.FromHours(1))
        {
            yield return $"{nameof(Delay)} is {Delay}; it must be 0 (the 95th percentile) to an hour.";
        }

        if (MaxAttempts is < 2 or > 5)
        {
            yield return $"{nameof(MaxAttempts)} is {MaxAttempts}; it must be 2 to 5.";
        }
    }
}
