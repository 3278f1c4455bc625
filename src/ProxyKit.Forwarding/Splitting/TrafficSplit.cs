using System.Collections.Immutable;

using Microsoft.AspNetCore.Http;

namespace ProxyKit.Forwarding;

/// <summary>Shares the traffic of a route among pools by weight: a canary, a migration, an experiment.</summary>
public sealed record TrafficSplit : IValidatable
{
    private readonly long _total;

    /// <summary>Shares traffic among pools.</summary>
    /// <param name="shares">Each pool with its weight against the others; 0 gets nothing.</param>
    /// <param name="key">What keeps a user in one share: equal keys, equal pools. Null draws for each request.</param>
    public TrafficSplit(IEnumerable<(string Pool, int Weight)> shares, HashKey? key = null)
    {
        Shares = [.. shares];
        Key = key;
        _total = Shares.Sum(share => (long)share.Weight);
    }

    /// <summary>Each pool with its weight.</summary>
    public ImmutableArray<(string Pool, int Weight)> Shares { get; }

    /// <summary>What keeps a user in one share.</summary>
    public HashKey? Key { get; }

    /// <inheritdoc/>
    public IEnumerable<string> Faults()
    {
        foreach (var (pool, weight) in Shares.Where(share => share.Weight is < 0 or > 1_000_000))
        {
            yield return $"The share of pool '{pool}' is {weight}; it must be 0 to a million.";
        }

        if (_total <= 0)
        {
            yield return "The shares add up to 0; at least one pool must have more.";
        }
    }

    /// <summary>The pool for that request.</summary>
    /// <param name="context">The request.</param>
    /// <param name="random">64 random bits, for requests without a key.</param>
    public string Choose(HttpContext context, ulong random)
    {
        var point = (long)(Scale(Key?.Of(context) ?? random) * _total);
        foreach (var (pool, weight) in Shares)
        {
            point -= weight;
            if (point < 0)
            {
                return pool;
            }
        }

        return Shares[^1].Pool;
    }

    internal TrafficSplit For(ForwardingOptions host) => Key is null ? this : new(Shares, Key.For(host));

    // Mixed once more, so that a key places its user in the split and in the pool independently.
    private static double Scale(ulong bits) => (WeightedDraw.Mix(bits ^ 0x53504C4954) >> 11) * (1.0 / (1UL << 53));
}
