namespace ProxyKit.Testing;

/// <summary>What came of the requests that a <see cref="TestPool"/> sent.</summary>
public sealed class TestRun
{
    private readonly SortedDictionary<string, int> _attempts = new(StringComparer.Ordinal);
    private readonly SortedDictionary<string, int> _served = new(StringComparer.Ordinal);

    internal TestRun(IEnumerable<string> destinations)
    {
        foreach (var name in destinations)
        {
            (_attempts[name], _served[name]) = (0, 0);
        }
    }

    /// <summary>Attempts at each destination, those that got none as well.</summary>
    public IReadOnlyDictionary<string, int> Attempts => _attempts;

    /// <summary>Requests that each destination served.</summary>
    public IReadOnlyDictionary<string, int> Served => _served;

    /// <summary>Requests that no attempt served.</summary>
    public int Failed { get; private set; }

    /// <summary>Requests for which no member could be picked at all.</summary>
    public int Refused { get; private set; }

    /// <summary>The destination's share of all attempts, 0 to 1.</summary>
    public double Share(string destination) => (double)_attempts[destination] / Math.Max(1, _attempts.Values.Sum());

    /// <inheritdoc/>
    public override string ToString() => $"{string.Join(", ", _attempts.Select(entry => $"{entry.Key} {entry.Value}"))}; {Failed} failed, {Refused} refused";

    internal void Sent(string destination) => _attempts[destination] = _attempts.GetValueOrDefault(destination) + 1;

    internal void End(TestEnd end, string? destination)
    {
        switch (end)
        {
            case TestEnd.Served:
                _served[destination!] = _served.GetValueOrDefault(destination!) + 1;
                break;
            case TestEnd.Failed:
                Failed++;
                break;
            default:
                Refused++;
                break;
        }
    }
}

internal enum TestEnd
{
    Served,
    Failed,
    Refused,
}
