namespace ProxyKit;

/// <summary>What a pool does when too few of its members are believed healthy to carry its traffic.</summary>
/// <remarks>
/// Beliefs can be wrong, and what is healthy can be too little: below the threshold either all of a tier are asked, or none. Without these options
/// a pool asks all only where it has no healthy member left. The threshold counts for each tier (<see cref="Destination.Priority"/>), and a tier is
/// left alone while the tiers together can carry the traffic, as in Envoy.
/// </remarks>
public sealed record PanicOptions : IValidatable, ICopyable<PanicOptions>
{
    /// <summary>The share of healthy members below which a tier is in panic, 0 to 1; at 0 only one without any is. The default is 0.5.</summary>
    public double Threshold { get; set; } = 0.5;

    /// <summary>What is done in a panic. The default is <see cref="PanicMode.UseAll"/>.</summary>
    public PanicMode Mode { get; set; }

    /// <inheritdoc/>
    public PanicOptions Copy() => this with { };

    /// <inheritdoc/>
    public IEnumerable<string> Faults()
    {
        if (!(Threshold >= 0 && Threshold <= 1))
        {
            yield return $"{nameof(Threshold)} is {Threshold}; it must be 0 to 1, such as 0.5.";
        }

        if (!Enum.IsDefined(Mode))
        {
            yield return $"{nameof(Mode)} is {Mode}; it must be {nameof(PanicMode.UseAll)} or {nameof(PanicMode.FailFast)}.";
        }
    }
}

/// <summary>What is done in a panic.</summary>
public enum PanicMode
{
    /// <summary>All members of the tier are asked, healthy or not: some will answer, and the healthy ones are not crushed.</summary>
    UseAll,

    /// <summary>None is asked, so that what is left is not crushed: the request fails at once. Members on trial still get their one request.</summary>
    FailFast,
}
