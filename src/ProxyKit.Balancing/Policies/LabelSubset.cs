namespace ProxyKit.Balancing;

/// <summary>Uses only the members that carry certain labels (<see cref="Destination.Labels"/>), such as one version.</summary>
public sealed class LabelSubset : IBalancingPolicy, IValidatable
{
    private readonly IBalancingPolicy _inner;

    /// <summary>Balances within the subset by <see cref="PowerOfTwo"/>.</summary>
    public LabelSubset()
        : this(new PowerOfTwo())
    {
    }

    /// <summary>Balances within the subset by <paramref name="inner"/>.</summary>
    public LabelSubset(IBalancingPolicy inner)
    {
        ArgumentNullException.ThrowIfNull(inner);
        _inner = inner;
    }

    /// <summary>The labels that a member must carry, all of them. At least one must be set.</summary>
    public Dictionary<string, string> Labels { get; set; } = [];

    /// <summary>Who serves when none of the subset can. The default is <see cref="SubsetFallback.None"/>.</summary>
    public SubsetFallback Fallback { get; set; }

    /// <inheritdoc/>
    public IPicker Prepare(PoolSnapshot snapshot)
    {
        ArgumentNullException.ThrowIfNull(snapshot);
        var subset = _inner.Prepare(snapshot.Where(Belongs));
        return Fallback == SubsetFallback.Any
            ? new SplitPicker([(Name(), 1, subset), ("the rest", 0, _inner.Prepare(snapshot.Where(member => !Belongs(member))))])
            : new SplitPicker([(Name(), 1, subset)]);
    }

    /// <inheritdoc/>
    public IEnumerable<string> Faults()
    {
        if (Labels.Count == 0)
        {
            yield return $"{nameof(Labels)} is empty; name at least one label, such as \"version\": \"2\".";
        }

        if (!Enum.IsDefined(Fallback))
        {
            yield return $"{nameof(Fallback)} is {Fallback}; it must be {nameof(SubsetFallback.None)} or {nameof(SubsetFallback.Any)}.";
        }

        foreach (var fault in Inner.Faults(_inner))
        {
            yield return fault;
        }
    }

    private bool Belongs(Member member) => Labels.All(label => member.Destination.Labels.TryGetValue(label.Key, out var value) && value == label.Value);

    private string Name() => $"the subset {string.Join(", ", Labels.Select(label => $"{label.Key}={label.Value}"))}";
}

/// <summary>Who serves when none of a subset can.</summary>
public enum SubsetFallback
{
    /// <summary>Nobody: a request for one version never reaches another.</summary>
    None,

    /// <summary>Any other member.</summary>
    Any,
}
