namespace ProxyKit.Health;

/// <summary>Stands in a pool's settings where its destinations are probed.</summary>
/// <param name="Probe">How they are asked.</param>
/// <param name="Options">When, and what it takes to believe them.</param>
internal sealed record Probing(IProbe Probe, ProbeOptions Options)
{
    /// <summary>The source of the beliefs that probing has.</summary>
    public const string Source = "probe";

    /// <summary>What both become once they are kept: copied and judged.</summary>
    /// <exception cref="ArgumentException">They have faults; the message lists every one.</exception>
    public static Probing Of(IProbe probe, ProbeOptions? options)
    {
        ArgumentNullException.ThrowIfNull(probe);
        var own = (probe as ICopyable<IProbe>)?.Copy() ?? probe;
        (own as IValidatable)?.Valid();
        return new(own, (options ?? new ProbeOptions()).Frozen());
    }

    /// <summary>The settings with it.</summary>
    public PoolSettings AddTo(PoolSettings settings) =>
        Options.ProveFirst ? settings.With(this).With(Unproven) : settings.With(this);

    /// <summary>What is said of a destination that has yet to answer.</summary>
    public static ProvenFirst Unproven => new(Source, "no probe has succeeded yet");
}
