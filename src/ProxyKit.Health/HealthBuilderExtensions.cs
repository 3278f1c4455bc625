namespace ProxyKit.Health;

/// <summary>Composes the health of pools.</summary>
public static class HealthBuilderExtensions
{
    /// <summary>Lets configuration turn on what this package can do. Each of its <c>With…</c> does so by itself; calling it twice is the same as calling it once.</summary>
    public static IProxyKitBuilder AddHealth(this IProxyKitBuilder builder)
    {
        ArgumentNullException.ThrowIfNull(builder);
        ProbeServices.Add(builder.Services);
        OutlierServices.Add(builder.Services);
        return builder;
    }
}
