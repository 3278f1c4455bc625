using System.Diagnostics.CodeAnalysis;

using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;

namespace ProxyKit.Health;

/// <summary>A probe that configuration can name.</summary>
/// <param name="Name">What configuration calls it, as <c>Type</c>.</param>
/// <param name="Read">Makes it from its section, in which the keys of <see cref="ProbeOptions"/> stand as well; faults are told through <see cref="FormatException"/>.</param>
/// <param name="Keys">The keys that it reads there.</param>
public sealed record NamedProbe(string Name, Func<IConfigurationSection, IServiceProvider, IProbe> Read, IReadOnlyList<string> Keys);

/// <summary>Registers probes for configuration.</summary>
public static class NamedProbeExtensions
{
    /// <summary>Lets configuration name a probe that is made of the host's services and has no keys.</summary>
    public static IServiceCollection AddNamedProbe(this IServiceCollection services, string name, Func<IServiceProvider, IProbe> make)
    {
        ArgumentNullException.ThrowIfNull(make);
        return services.AddNamedProbe(name, (_, services) => make(services), []);
    }

    /// <summary>Lets configuration name a probe that is made from its section, of which it reads <paramref name="keys"/>.</summary>
    public static IServiceCollection AddNamedProbe(
        this IServiceCollection services, string name, Func<IConfigurationSection, IServiceProvider, IProbe> read, params IEnumerable<string> keys)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(name);
        ArgumentNullException.ThrowIfNull(read);
        return services.AddSingleton(new NamedProbe(name, read, [.. keys]));
    }

    /// <summary>Lets configuration name a probe whose properties are its keys, read strictly.</summary>
    /// <param name="services">The host's services.</param>
    /// <param name="name">What configuration calls it.</param>
    /// <param name="bind">Fills it: <c>static (section, probe) => section.Bind(probe)</c>, written where the binder's source generator sees the type.</param>
    public static IServiceCollection AddNamedProbe<[DynamicallyAccessedMembers(DynamicallyAccessedMemberTypes.PublicProperties)] T>(
        this IServiceCollection services, string name, Action<IConfigurationSection, T> bind)
        where T : class, IProbe, IValidatable, new() => services.AddNamedProbe(
            name,
            (section, _) =>
            {
                var faults = new List<string>();
                return ConfigurationReader.TryRead(section, bind, faults, out var probe, [.. ProbeSection.OwnKeys]) ? probe : throw new FormatException(string.Join(" ", faults));
            },
            ProbeSection.KeysOf<T>());
}
