namespace ProxyKit.Forwarding;

/// <summary>Says what a pool's destinations are told of the client.</summary>
public static class ForwardedExtensions
{
    /// <summary>Sets <c>Forwarded</c> and the <c>X-Forwarded-*</c> fields as <paramref name="forwarded"/> says. Without it, its defaults hold.</summary>
    /// <exception cref="ArgumentException">The options have faults; the message lists every one.</exception>
    public static IPoolBuilder WithForwarded(this IPoolBuilder builder, ForwardedOptions forwarded) => builder.With(forwarded);
}
