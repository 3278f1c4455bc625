namespace ProxyKit;

/// <summary>Tells a pool which destinations it has, for as long as it runs: DNS, service discovery, a file.</summary>
public interface IDestinationSource
{
    /// <summary>Yields each new set whole. A source that fails for a while yields nothing, and the pool keeps the last set it had.</summary>
    IAsyncEnumerable<IReadOnlyList<Destination>> WatchAsync(CancellationToken cancellationToken);

    /// <summary>A member could not be reached, so the set may be old: look again soon. Called often; it must return at once.</summary>
    void Refresh()
    {
    }
}
