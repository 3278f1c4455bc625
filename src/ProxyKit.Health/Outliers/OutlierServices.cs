using Microsoft.Extensions.DependencyInjection;

namespace ProxyKit.Health;

/// <summary>What outlier detection and circuit breaking need of the host.</summary>
internal static class OutlierServices
{
    public static void Add(IServiceCollection services)
    {
    }
}
