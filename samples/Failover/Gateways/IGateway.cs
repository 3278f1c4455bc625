namespace Failover;

/// <summary>A gateway of the comparison, running before three backends.</summary>
internal interface IGateway : IAsyncDisposable
{
    Uri Address { get; }

    /// <summary>Sends nothing new to a backend; done when it has nothing left, or as near to that as this gateway can tell.</summary>
    Task DrainAsync(Backend backend);

    /// <summary>Sends to it again.</summary>
    Task ReturnAsync(Backend backend);

    /// <summary>What it tried.</summary>
    Task<Tries> TriesAsync();
}

/// <summary>What a gateway tried, by its own account.</summary>
/// <param name="Retried">Attempts after the first.</param>
/// <param name="Failed">When attempts failed, in milliseconds of Unix time, and at which backend.</param>
internal sealed record Tries(int Retried, IReadOnlyList<(long At, string Backend)> Failed)
{
    /// <summary>
    /// How long the gateway went on trying a backend that had failed: to the last attempt before half a second without one. Later ones, by which it
    /// looks whether the backend is back, do not count. Null where it never left it alone.
    /// </summary>
    public TimeSpan? LeftAlone(string backend, long from, long to)
    {
        var last = from;
        foreach (var (at, _) in Failed.Where(entry => entry.Backend == backend && entry.At >= from && entry.At < to).OrderBy(entry => entry.At))
        {
            if (at - last > 500)
            {
                break;
            }

            last = at;
        }

        return to - last > 500 ? TimeSpan.FromMilliseconds(last - from) : null;
    }
}
