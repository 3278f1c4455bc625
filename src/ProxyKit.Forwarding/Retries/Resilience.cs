using Polly;

namespace ProxyKit.Forwarding;

/// <summary>The user's own pipeline around the attempts at a pool.</summary>
internal sealed record Resilience(ResiliencePipeline<HttpResponseMessage> Pipeline);
