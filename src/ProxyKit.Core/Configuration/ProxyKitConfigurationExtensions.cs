using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;

namespace ProxyKit;

/// <summary>Composes ProxyKit from configuration.</summary>
public static class ProxyKitConfigurationExtensions
{
    /// <summary>
    /// Takes all pools below <c>Pools</c> of <paramref name="section"/> (by custom, the section <c>ProxyKit</c>), and whatever the other packages
    /// keep there. Pools that are added, changed or removed while running are taken up at once; one with faults stays as it was.
    /// </summary>
    public static IProxyKitBuilder AddConfiguration(this IProxyKitBuilder builder, IConfiguration section)
    {
        ArgumentNullException.ThrowIfNull(builder);
        ArgumentNullException.ThrowIfNull(section);
        builder.Services.AddSingleton(new ProxyKitConfiguration(section));
        return builder;
    }
}

/// <summary>The section that ProxyKit is composed from; each package reads its own part of it.</summary>
public sealed class ProxyKitConfiguration
{
    internal ProxyKitConfiguration(IConfiguration section) => Section = section;

    /// <summary>The section.</summary>
    public IConfiguration Section { get; }
}
