using Polly;

namespace ProxyKit.Forwarding;

/// <summary>A pool's settings made ready for requests; made again when they change.</summary>
internal sealed class PoolPlan
{
    public required PoolSettings Settings { get; init; }

    public required PoolClient Client { get; init; }

    /// <summary>Whether the user has composed the client, whose handlers may add fields of any encoding.</summary>
    public required bool HasUserClient { get; init; }

    public required UpstreamHandler.Recipe Recipe { get; init; }

    /// <summary>Addresses made for requests before.</summary>
    public required AddressMemory Addresses { get; init; }

    public required UpstreamOptions Upstream { get; init; }

    public required TimeoutOptions Timeouts { get; init; }

    public required RetryRule Retries { get; init; }

    public required RetryBudget Budget { get; init; }

    public required HedgeOptions? Hedging { get; init; }

    public required ResiliencePipeline<HttpResponseMessage>? Resilience { get; init; }

    public required ForwardedHeaders Forwarded { get; init; }

    public required Stickiness? Stickiness { get; init; }

    public required HashKey? Key { get; init; }

    public required LimitOptions? Limits { get; init; }

    /// <summary>The field by which destinations say how they stand; null where none may.</summary>
    public required string? StateHeader { get; init; }
}
