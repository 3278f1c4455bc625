namespace ProxyKit.Balancing;

/// <summary>The policy inside another.</summary>
internal static class Inner
{
    public static IEnumerable<string> Faults(IBalancingPolicy inner) =>
        (inner as IValidatable)?.Faults().Select(fault => $"The inner {inner.GetType().Name}: {fault}") ?? [];
}
