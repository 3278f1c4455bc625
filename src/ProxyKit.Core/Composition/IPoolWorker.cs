namespace ProxyKit;

/// <summary>Works beside each pool of the host for as long as it runs: what probes its destinations, or watches it. Register it as a service.</summary>
public interface IPoolWorker
{
    /// <summary>
    /// Called once for each pool, before it gets traffic. It looks into <see cref="PoolSnapshot.Settings"/> whether there is work, and again
    /// when the snapshot was replaced (<see cref="PoolSnapshot.Replaced"/>). Until its first await it may delay the pool (<see cref="Pool.HoldReady"/>).
    /// </summary>
    /// <param name="pool">The pool.</param>
    /// <param name="cancellationToken">The pool or the host ends.</param>
    Task RunAsync(Pool pool, CancellationToken cancellationToken);
}
