using System.Diagnostics.CodeAnalysis;

using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;

namespace ProxyKit.Health;

/// <summary>Reads the part <c>Probe</c> of a pool's section: the probe's type, its keys and those of <see cref="ProbeOptions"/>, side by side.</summary>
/// <example><code>"Probe": { "Type": "Http", "Path": "/healthz", "Interval": "00:00:02" }</code></example>
internal static class ProbeSection
{
    public const string Key = "Probe";

    private const string Type = "Type";

    /// <summary>The keys that are no probe's.</summary>
    public static IReadOnlyList<string> OwnKeys { get; } = [Type, .. KeysOf<ProbeOptions>()];

    public static PoolSettings Read(IConfigurationSection section, PoolSettings settings, IServiceProvider services)
    {
        // The last one of a name counts, so that a host may put its own in place of another.
        var probes = services.GetServices<NamedProbe>().GroupBy(probe => probe.Name, StringComparer.OrdinalIgnoreCase).ToDictionary(group => group.Key, group => group.Last(), StringComparer.OrdinalIgnoreCase);
        var alone = section.Value is { Length: > 0 } && !section.GetChildren().Any();
        var name = (alone ? section.Value : section[Type]) ?? "Http";
        if (!probes.TryGetValue(name, out var named))
        {
            throw new FormatException(ConfigurationReader.Unknown($"{section.Path} '{name}'", name, probes.Keys));
        }

        var inner = alone ? Empty(section) : section;
        List<string> faults = [];
        ConfigurationReader.CheckKeys(inner, [.. OwnKeys, .. named.Keys], faults);
        ConfigurationReader.TryRead<ProbeOptions>(inner, static (section, options) => section.Bind(options), faults, out var options, [Type, .. named.Keys]);
        IProbe? probe = null;
        try
        {
            probe = named.Read(inner, services);
        }
        catch (FormatException fault)
        {
            faults.Add(fault.Message);
        }

        // An unknown key is seen by each who reads, and told once.
        return faults.Count == 0 && probe is not null && options is not null
            ? Probing.Of(probe, options).AddTo(settings)
            : throw new FormatException(string.Join(" ", faults.Distinct()));
    }

    public static IReadOnlyList<string> KeysOf<[DynamicallyAccessedMembers(DynamicallyAccessedMemberTypes.PublicProperties)] T>() =>
        [.. typeof(T).GetProperties().Where(property => property.SetMethod is { IsPublic: true, IsStatic: false } set && !IsInit(set)).Select(property => property.Name)];

    private static bool IsInit(System.Reflection.MethodInfo setter) =>
        setter.ReturnParameter.GetRequiredCustomModifiers().Contains(typeof(System.Runtime.CompilerServices.IsExternalInit));

    // Of the name alone nothing is read, and the faults of what is still bear its path.
    private static IConfigurationSection Empty(IConfigurationSection section) =>
        new ConfigurationBuilder().AddInMemoryCollection([new($"{section.Path}:{Type}", section.Value)]).Build().GetSection(section.Path);
}
