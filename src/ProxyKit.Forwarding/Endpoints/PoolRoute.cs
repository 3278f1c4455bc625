using System.Collections.Immutable;

namespace ProxyKit.Forwarding;

/// <summary>How one route forwards: what differs from its pool, and what is done to its requests and responses.</summary>
public sealed record PoolRoute
{
    /// <summary>The pool that serves it; where <see cref="Split"/> is set, it serves those that the split gives to it.</summary>
    public required string Pool { get; init; }

    /// <summary>Changes to requests, in order.</summary>
    public ImmutableArray<IRequestTransform> RequestTransforms { get; init; } = [];

    /// <summary>Changes to responses, in order.</summary>
    public ImmutableArray<IResponseTransform> ResponseTransforms { get; init; } = [];

    /// <summary>Limits in place of the pool's; null where the pool's hold.</summary>
    public TimeoutOptions? Timeouts { get; init; }

    /// <summary>The key for hashing policies in place of the pool's; null where the pool's holds.</summary>
    public HashKey? Key { get; init; }

    /// <summary>Shares the route's traffic among pools; null where <see cref="Pool"/> takes all.</summary>
    public TrafficSplit? Split { get; init; }

    /// <summary>The pool that gets a copy of the requests, and whose answers nobody reads; null for none.</summary>
    public MirrorOptions? Mirror { get; init; }

    /// <summary>Whether paths with encoded slashes or backslashes may pass, which servers read differently. The default is false.</summary>
    public bool AllowAmbiguousPaths { get; init; }

    /// <summary>The largest body of a request in bytes; more gets 413. The default is null: any size, as nothing is held.</summary>
    public long? MaxRequestBodySize { get; init; }
}
