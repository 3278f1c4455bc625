namespace ProxyKit;

/// <summary>How many requests a destination may hold, and how many may wait for a seat.</summary>
public sealed record LimitOptions : IValidatable, ICopyable<LimitOptions>
{
    /// <summary>Requests that each destination may hold at once; 0 means any number. The default is 0.</summary>
    public int MaxPerDestination { get; set; }

    /// <summary>Requests that may wait while all seats are taken; the next one is refused at once. The default is 0: none waits.</summary>
    public int QueueLength { get; set; }

    /// <summary>How long a request waits for a seat before it is refused. The default is 1 s.</summary>
    public TimeSpan QueueTimeout { get; set; } = TimeSpan.FromSeconds(1);

    /// <inheritdoc/>
    public LimitOptions Copy() => this with { };

    /// <inheritdoc/>
    public IEnumerable<string> Faults()
    {
        if (MaxPerDestination < 0)
        {
            yield return $"{nameof(MaxPerDestination)} is {MaxPerDestination}; it must be 0 (any number) or more.";
        }

        if (QueueLength < 0)
        {
            yield return $"{nameof(QueueLength)} is {QueueLength}; it must be 0 (none waits) or more.";
        }

        if (QueueLength > 0 && MaxPerDestination == 0)
        {
            yield return $"{nameof(QueueLength)} is {QueueLength} and {nameof(MaxPerDestination)} is 0; without a limit nothing ever waits, so set {nameof(MaxPerDestination)}.";
        }

        if (QueueTimeout <= TimeSpan.Zero || QueueTimeout > TimeSpan.FromHours(1))
        {
            yield return $"{nameof(QueueTimeout)} is {QueueTimeout}; it must be more than 0 and at most an hour.";
        }
    }
}

/// <summary>Gives a destination that is new, or back again, less traffic at first.</summary>
/// <remarks>
/// Its weight is weight × max(MinShare, (t/Window)^(1/Aggression)), as in Envoy. Destinations that a pool starts with are warm: all
/// starting together would share the traffic equally anyway.
/// </remarks>
public sealed record SlowStartOptions : IValidatable, ICopyable<SlowStartOptions>
{
    /// <summary>How long it takes to reach the full weight. The default is 30 s.</summary>
    public TimeSpan Window { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>1 rises evenly, more rises faster at first. The default is 1.</summary>
    public double Aggression { get; set; } = 1;

    /// <summary>The share of its weight that it starts with, above 0 and at most 1. The default is 0.1.</summary>
    public double MinShare { get; set; } = 0.1;

    /// <summary>The share of its weight that a destination has <paramref name="age"/> after it came.</summary>
    public double Warmth(TimeSpan age) => age >= Window ? 1 : Math.Clamp(Math.Pow(Math.Max(0, age / Window), 1 / Aggression), MinShare, 1);

    /// <inheritdoc/>
    public SlowStartOptions Copy() => this with { };

    /// <inheritdoc/>
    public IEnumerable<string> Faults()
    {
        if (Window <= TimeSpan.Zero || Window > TimeSpan.FromHours(24))
        {
            yield return $"{nameof(Window)} is {Window}; it must be more than 0 and at most a day.";
        }

        if (!(Aggression > 0 && Aggression <= 100))
        {
            yield return $"{nameof(Aggression)} is {Aggression}; it must be more than 0 and at most 100.";
        }

        if (!(MinShare > 0 && MinShare <= 1))
        {
            yield return $"{nameof(MinShare)} is {MinShare}; it must be more than 0 and at most 1.";
        }
    }
}

/// <summary>How a destination leaves: one that is drained, or that a reload or its source took away.</summary>
public sealed record DrainOptions : IValidatable, ICopyable<DrainOptions>
{
    /// <summary>How long a removed destination may finish what it has before what still runs is ended. The default is 30 s.</summary>
    public TimeSpan Timeout { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>Whether known sessions go on coming until the deadline, so that a drain with nothing in flight is not over yet. The default is null: where sessions stick (<see cref="StickySessions"/>).</summary>
    public bool? KeepSessions { get; set; }

    /// <inheritdoc/>
    public DrainOptions Copy() => this with { };

    /// <inheritdoc/>
    public IEnumerable<string> Faults()
    {
        if (Timeout < TimeSpan.Zero || Timeout > TimeSpan.FromHours(24))
        {
            yield return $"{nameof(Timeout)} is {Timeout}; it must be 0 to a day.";
        }
    }
}

/// <summary>Stands in a pool's settings where sessions stick to members: whoever makes them stick puts it there.</summary>
public sealed record StickySessions;
