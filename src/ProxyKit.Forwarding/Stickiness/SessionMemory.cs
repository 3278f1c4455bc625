using System.Collections.Concurrent;
using System.Diagnostics.Metrics;

namespace ProxyKit.Forwarding;

/// <summary>What stickiness remembers of each pool. It outlives a pool's settings, so that a reload forgets no session.</summary>
internal sealed class SessionMemory
{
    private readonly ConcurrentDictionary<(string Pool, string Cookie, int Capacity, TimeSpan MaxIdle), IStickTable> _tables = new();
    private readonly ConcurrentDictionary<string, RingKeys> _rings = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, TopKeys> _topKeys = new(StringComparer.Ordinal);

    public SessionMemory(IMeterFactory meters) => meters.Create("ProxyKit.Forwarding").CreateObservableGauge(
        "proxykit.sticky.top_key_share",
        () => _topKeys.Select(pool => new Measurement<double>(pool.Value.TopShare, new KeyValuePair<string, object?>("proxykit.pool.name", pool.Key))),
        unit: "1",
        description: "The share of requests that come from the busiest client address, in pools that stick by it.");

    public IStickTable TableOf(string pool, StickyAppCookie options, TimeProvider time) =>
        _tables.GetOrAdd((pool, options.Name, options.Capacity, options.MaxIdle), _ => new StickTable(options.Capacity, options.MaxIdle, time));

    /// <summary>The keys of a pool: read once, because a reload is taken up while a request waits.</summary>
    public RingKeys RingOf(string pool, Func<RingKeys> read) => _rings.GetOrAdd(pool, static (_, read) => read(), read);

    public TopKeys TopKeysOf(string pool) => _topKeys.GetOrAdd(pool, static _ => new TopKeys());
}
