namespace ProxyKit;

/// <summary>Lets destinations say by a response field how they stand: <c>active</c>, <c>degraded</c>, <c>draining</c> or <c>down</c>.</summary>
/// <remarks>It is read from answers to probes and, by the forwarder, to requests, and never passed on to clients. Other values are passed over.</remarks>
public sealed record StateHeaderOptions : IValidatable, ICopyable<StateHeaderOptions>
{
    /// <summary>The name of the field. The default is <c>X-Backend-State</c>.</summary>
    public string Name { get; set; } = "X-Backend-State";

    /// <summary>How long its word holds where it is not heard again, as one that is drained gets no requests to answer. The default is 30 s.</summary>
    public TimeSpan Lasts { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>What a value of the field says; null where it is none of those known.</summary>
    public static Availability? Read(ReadOnlySpan<char> value) => value.Trim() switch
    {
        var text when text.Equals("active", StringComparison.OrdinalIgnoreCase) => Availability.Up,
        var text when text.Equals("degraded", StringComparison.OrdinalIgnoreCase) => Availability.Degraded,
        var text when text.Equals("draining", StringComparison.OrdinalIgnoreCase) => Availability.Draining,
        var text when text.Equals("down", StringComparison.OrdinalIgnoreCase) => Availability.Down,
        _ => null,
    };

    /// <inheritdoc/>
    public StateHeaderOptions Copy() => this with { };

    /// <inheritdoc/>
    public IEnumerable<string> Faults()
    {
        if (string.IsNullOrEmpty(Name) || Name.AsSpan().ContainsAnyExcept(Token))
        {
            yield return $"{nameof(Name)} is '{Name}'; it must be the name of a field, such as 'X-Backend-State' (RFC 9110 §5.1).";
        }

        if (Lasts <= TimeSpan.Zero || Lasts > TimeSpan.FromHours(24))
        {
            yield return $"{nameof(Lasts)} is {Lasts}; it must be more than 0 and at most a day.";
        }
    }

    // RFC 9110 §5.6.2
    private static readonly System.Buffers.SearchValues<char> Token =
        System.Buffers.SearchValues.Create("!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz");
}
