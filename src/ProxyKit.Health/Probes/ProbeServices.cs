using Microsoft.Extensions.DependencyInjection;

namespace ProxyKit.Health;

/// <summary>What probing needs of the host.</summary>
internal static class ProbeServices
{
    public static void Add(IServiceCollection services)
    {
    }
}
