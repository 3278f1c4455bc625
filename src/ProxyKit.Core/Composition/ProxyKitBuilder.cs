using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace ProxyKit;

/// <summary>What every package's <c>Add…</c> extends.</summary>
public interface IProxyKitBuilder
{
    /// <summary>The host's services.</summary>
    IServiceCollection Services { get; }
}

/// <summary>What every package's <c>With…</c> extends: the pool that was added last.</summary>
public interface IPoolBuilder : IProxyKitBuilder
{
    /// <summary>The pool being composed.</summary>
    PoolDefinition Pool { get; }
}

/// <summary>The one entry to ProxyKit.</summary>
public static class ProxyKitServiceCollectionExtensions
{
    /// <summary>Adds what all of ProxyKit shares. Calling it twice is the same as calling it once.</summary>
    public static IProxyKitBuilder AddProxyKit(this IServiceCollection services)
    {
        ArgumentNullException.ThrowIfNull(services);
        if (services.Any(service => service.ServiceType == typeof(PoolDirectory)))
        {
            return new Builder(services);
        }

        services.AddMetrics();
        services.AddLogging();
        services.TryAddSingleton(TimeProvider.System);
        services.TryAddSingleton<PoolMetrics>();
        services.AddSingleton<IHostedService, PoolStartup>();
        services.TryAddSingleton<PolicyReader>();
        services.TryAddSingleton(services => new PoolSection(services.GetServices<SettingsSection>(), services.GetRequiredService<PolicyReader>(), services));
        services.TryAddSingleton(services => new PoolDirectory(
            services.GetServices<PoolDefinition>(),
            services.GetServices<ProxyKitConfiguration>(),
            services.GetRequiredService<PoolSection>(),
            services.GetServices<IOutcomeObserver>(),
            services.GetServices<IPoolWorker>(),
            services.GetRequiredService<TimeProvider>(),
            services.GetRequiredService<PoolMetrics>(),
            services.GetRequiredService<ILogger<PoolDirectory>>()));
        services.AddSettingsSection<LimitOptions>("Limits", static (section, options) => section.Bind(options));
        services.AddSettingsSection<SlowStartOptions>("SlowStart", static (section, options) => section.Bind(options));
        services.AddSettingsSection<PanicOptions>("Panic", static (section, options) => section.Bind(options));
        services.AddSettingsSection<StateHeaderOptions>("StateHeader", static (section, options) => section.Bind(options));
        services.AddSettingsSection<DrainOptions>("Drain", static (section, options) => section.Bind(options));
        services.TryAddSingleton<IPoolControl>(services => new PoolControl(services.GetRequiredService<PoolDirectory>()));
        services.AddNamedPolicy(nameof(PowerOfTwo), static () => new PowerOfTwo());
        services.AddNamedPolicy(nameof(RoundRobin), static () => new RoundRobin());
        return new Builder(services);
    }

    private sealed record Builder(IServiceCollection Services) : IProxyKitBuilder;
}
