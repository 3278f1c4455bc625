using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Logging;

namespace ProxyKit.Health;

/// <summary>What probing needs of the host.</summary>
internal static class ProbeServices
{
    public static void Add(IServiceCollection services)
    {
        if (services.Any(service => service.ServiceType == typeof(ProbeMetrics)))
        {
            return;
        }

        services.TryAddSingleton<ProbeMetrics>();
        services.AddSingleton<IPoolWorker>(services => new ProbeWorker(
            services.GetServices<ProbeHttpClient>(), services.GetRequiredService<ProbeMetrics>(), services.GetRequiredService<ILogger<Prober>>(), services.GetService<IHttpClientFactory>()));
        services.AddSettingsSection(ProbeSection.Key, ProbeSection.Read);
        services.AddNamedProbe<HttpProbe>("Http", static (section, probe) => section.Bind(probe));
        services.AddNamedProbe<TcpProbe>("Tcp", static (section, probe) => section.Bind(probe));
        services.AddNamedProbe<TlsProbe>("Tls", static (section, probe) => section.Bind(probe));
        services.AddNamedProbe<GrpcProbe>("Grpc", static (section, probe) => section.Bind(probe));
    }
}
