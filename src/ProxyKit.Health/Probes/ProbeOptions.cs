namespace ProxyKit.Health;

/// <summary>How often destinations are probed, and what it takes to believe the answers.</summary>
public sealed record ProbeOptions : IValidatable, ICopyable<ProbeOptions>
{
    /// <summary>From one probe of a destination to the next. The default is 5 s.</summary>
    public TimeSpan Interval { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>How long a probe may take in all. The default is 2 s.</summary>
    public TimeSpan Timeout { get; set; } = TimeSpan.FromSeconds(2);

    /// <summary>Successes in a row that bring one back that was down. The default is 2.</summary>
    public int Rise { get; set; } = 2;

    /// <summary>Failures in a row that take one down. The default is 3.</summary>
    public int Fall { get; set; } = 3;

    /// <summary>In place of <see cref="Interval"/> while a verdict is about to change, where it is less. The default is 1 s.</summary>
    public TimeSpan FastInterval { get; set; } = TimeSpan.FromSeconds(1);

    /// <summary>In place of <see cref="Interval"/> while one is down. The default is 5 s.</summary>
    public TimeSpan DownInterval { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>By how much the time between two probes may differ from the interval, as a share of it, 0 to 1: so that gateways do not ask in step. The default is 0.1.</summary>
    public double Jitter { get; set; } = 0.1;

    /// <summary>
    /// Whether a new destination gets no traffic before its first success, and the pool is not ready before each has its first verdict. The default
    /// is false: one that was not probed yet is used until it fails.
    /// </summary>
    public bool ProveFirst { get; set; }

    /// <summary>Whether the pool is not ready before each destination has its first verdict, which is then its first answer or failure. The default is false.</summary>
    public bool WaitForFirst { get; set; }

    /// <summary>
    /// Probes of the pool that may be under way at once, to destinations that answered last time; and as many again to those that did not, so that
    /// black holes delay nobody. The default is 64.
    /// </summary>
    public int MaxConcurrent { get; set; } = 64;

    internal TimeSpan Faster => FastInterval < Interval ? FastInterval : Interval;

    /// <inheritdoc/>
    public ProbeOptions Copy() => this with { };

    /// <inheritdoc/>
    public IEnumerable<string> Faults()
    {
        (string Name, TimeSpan Value)[] times = [(nameof(Interval), Interval), (nameof(Timeout), Timeout), (nameof(FastInterval), FastInterval), (nameof(DownInterval), DownInterval)];
        foreach (var (name, value) in times.Where(time => time.Value < TimeSpan.FromMilliseconds(10) || time.Value > TimeSpan.FromDays(1)))
        {
            yield return $"{name} is {value}; it must be 10 ms to a day.";
        }

        if (Rise is < 1 or > 1000)
        {
            yield return $"{nameof(Rise)} is {Rise}; it must be 1 to 1000.";
        }

        if (Fall is < 1 or > 1000)
        {
            yield return $"{nameof(Fall)} is {Fall}; it must be 1 to 1000.";
        }

        if (!(Jitter >= 0 && Jitter <= 1))
        {
            yield return $"{nameof(Jitter)} is {Jitter}; it must be 0 (none) to 1, such as 0.1.";
        }

        if (MaxConcurrent is < 1 or > 100_000)
        {
            yield return $"{nameof(MaxConcurrent)} is {MaxConcurrent}; it must be 1 to 100000.";
        }
    }
}
