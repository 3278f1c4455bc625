namespace ProxyKit.Forwarding;

/// <summary>One side of a tunnel.</summary>
/// <param name="Stream">Its bytes, both ways.</param>
/// <param name="EndSending">Says to it that nothing more comes, while it may still be read from; null where its transport cannot say that alone.</param>
internal sealed record TunnelSide(Stream Stream, Func<Task>? EndSending = null);
