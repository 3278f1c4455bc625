using System.Diagnostics.CodeAnalysis;

using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.ServiceDiscovery;

namespace ProxyKit.Balancing;

/// <summary>Lets configuration name what this package has; code needs none of it.</summary>
public static class BalancingBuilderExtensions
{
    /// <summary>
    /// Lets a pool's section name every policy of this package (<c>"Policy": "Rendezvous"</c>, <c>"Policy": { "Name": "BoundedLoad", "Factor": 1.5, "Inner": "Maglev" }</c>)
    /// and take destinations from <c>Dns</c>, <c>DnsSrv</c> or <c>ServiceDiscovery</c>. Calling it twice is the same as calling it once.
    /// </summary>
    public static IProxyKitBuilder AddBalancing(this IProxyKitBuilder builder)
    {
        ArgumentNullException.ThrowIfNull(builder);
        var services = builder.Services;
        if (services.Any(service => service.ImplementationInstance is NamedPolicy { Name: nameof(Rendezvous) }))
        {
            return builder;
        }

        services.AddNamedPolicy(nameof(WeightedRandom), static () => new WeightedRandom());
        services.AddNamedPolicy(nameof(LeastRequests), static () => new LeastRequests());
        services.AddNamedPolicy(nameof(Rendezvous), static () => new Rendezvous());
        services.AddNamedPolicy(nameof(First), static () => new First());
        services.AddNamedPolicy(nameof(PeakEwma), static (section, _) => PolicyReader.Options<PeakEwma>(section, static (section, options) => section.Bind(options)));
        services.AddNamedPolicy(nameof(RingHash), static (section, _) => PolicyReader.Options<RingHash>(section, static (section, options) => section.Bind(options)));
        services.AddNamedPolicy(nameof(Maglev), static (section, _) => PolicyReader.Options<Maglev>(section, static (section, options) => section.Bind(options)));
        services.AddNamedPolicy(nameof(BoundedLoad), static (section, reader) =>
        {
            var options = PolicyReader.Options<BoundedLoad>(section, static (section, options) => section.Bind(options), InnerKey);
            return new BoundedLoad(Inner(section, reader) ?? new Rendezvous()) { Factor = options.Factor };
        });
        services.AddNamedPolicy(nameof(PriorityTiers), static (section, reader) =>
        {
            var options = PolicyReader.Options<PriorityTiers>(section, static (section, options) => section.Bind(options), InnerKey);
            return new PriorityTiers(Inner(section, reader) ?? new PowerOfTwo()) { Overprovisioning = options.Overprovisioning };
        });
        services.AddNamedPolicy(nameof(PreferZone), static (section, reader) =>
        {
            var options = PolicyReader.Options<PreferZone>(section, static (section, options) => section.Bind(options), InnerKey);
            return new PreferZone(Inner(section, reader) ?? new PowerOfTwo()) { Zone = options.Zone, MinMembers = options.MinMembers, Origins = options.Origins };
        });
        services.AddNamedPolicy(nameof(LabelSubset), static (section, reader) =>
        {
            var options = PolicyReader.Options<LabelSubset>(section, static (section, options) => section.Bind(options), InnerKey);
            return new LabelSubset(Inner(section, reader) ?? new PowerOfTwo()) { Labels = options.Labels, Fallback = options.Fallback };
        });
        services.AddNamedPolicy(nameof(ClientSubset), static (section, reader) =>
        {
            var options = PolicyReader.Options<ClientSubset>(section, static (section, options) => section.Bind(options), InnerKey);
            return new ClientSubset(Inner(section, reader) ?? new PowerOfTwo()) { Size = options.Size, Client = options.Client, Index = options.Index, Clients = options.Clients };
        });
        services.AddSettingsSection("Dns", static (section, settings, services) => settings.With<IDestinationSource>(SourceBuilderExtensions.Dns(services, Dns(section))));
        services.AddSettingsSection("DnsSrv", static (section, settings, services) => settings.With<IDestinationSource>(DnsSrv(section, services)));
        services.AddSettingsSection("ServiceDiscovery", static (section, settings, services) => settings.With<IDestinationSource>(Discovery(section, services)));
        return builder;
    }

    private const string InnerKey = "Inner";

    private static IBalancingPolicy? Inner(IConfigurationSection section, PolicyReader reader) =>
        section.GetSection(InnerKey) is var inner && inner.Exists() ? reader.Read(inner) : null;

    private static DnsOptions Dns(IConfigurationSection section) =>
        Read<DnsOptions>(section, static (section, options) => section.Bind(options));

    private static DnsSrvSource DnsSrv(IConfigurationSection section, IServiceProvider services)
    {
        try
        {
            return SourceBuilderExtensions.DnsSrv(services, Dns(section));
        }
        catch (ArgumentException fault)
        {
            throw new FormatException($"{section.Path}: {fault.Message}", fault);
        }
    }

    private static ServiceDiscoverySource Discovery(IConfigurationSection section, IServiceProvider services)
    {
        var options = Read<ServiceDiscoveryOptions>(section, static (section, options) => section.Bind(options));
        var resolver = services.GetService<ServiceEndpointResolver>()
            ?? throw new FormatException($"{section.Path}: the host has no service discovery; call services.AddServiceDiscovery().");
        return new ServiceDiscoverySource(resolver, options.Service);
    }

    private static T Read<[DynamicallyAccessedMembers(DynamicallyAccessedMemberTypes.PublicProperties)] T>(IConfigurationSection section, Action<IConfigurationSection, T> bind)
        where T : class, IValidatable, new()
    {
        var faults = new List<string>();
        return ConfigurationReader.TryRead(section, bind, faults, out var options) ? options : throw new FormatException(string.Join(" ", faults));
    }
}
