using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace ProxyKit.Health;

/// <summary>What judging pools by outcomes needs of the host.</summary>
internal static class OutlierServices
{
    public static void Add(IServiceCollection services)
    {
        if (services.Any(service => service.ServiceType == typeof(HealthMetrics)))
        {
            return;
        }

        services.AddSingleton<HealthMetrics>();
        services.AddSingleton<IOutcomeObserver>(services => new OutlierDetection(services.GetRequiredService<HealthMetrics>()));
        services.AddSingleton<IOutcomeObserver>(services => new CircuitBreaker(services.GetRequiredService<ILogger<CircuitBreaker>>(), services.GetRequiredService<HealthMetrics>()));
        services.AddSingleton<IOutcomeObserver, SelfReports>();
        services.AddSettingsSection<OutlierOptions>("OutlierDetection", static (section, options) => section.Bind(options));
        services.AddSettingsSection<CircuitBreakerOptions>("CircuitBreaker", static (section, options) => section.Bind(options));
    }
}
