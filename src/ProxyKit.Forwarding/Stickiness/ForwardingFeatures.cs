using Microsoft.AspNetCore.DataProtection;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace ProxyKit.Forwarding;

/// <summary>Registers forwarded fields, transforms, keys and stickiness.</summary>
internal static class ForwardingFeatures
{
    /// <summary>Adds what they need of the host, once.</summary>
    public static IServiceCollection AddForwardingFeatures(this IServiceCollection services)
    {
        if (services.Any(service => service.ServiceType == typeof(SessionMemory)))
        {
            return services;
        }

        services.TryAddSingleton<ForwardingOptions>();
        services.TryAddSingleton(static services => new ClientFinder(services.GetRequiredService<ForwardingOptions>()));
        services.TryAddSingleton<TransformReader>();
        services.AddSingleton<SessionMemory>();
        NamedTransforms.AddTo(services);
        services.AddSettingsSection<ForwardedOptions>("Forwarded", static (section, options) => section.Bind(options));
        services.AddSettingsSection("Key", static (section, settings, _) => settings.With(KeySection.Read(section)));
        services.AddSettingsSection("Stickiness", static (section, settings, _) => StickinessSection.Read(section, settings));
        if (services.All(service => service.ServiceType != typeof(IDataProtectionProvider)))
        {
            services.AddDataProtection();
        }

        return services;
    }
}
