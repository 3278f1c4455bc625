using System.Diagnostics.CodeAnalysis;

using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;

namespace ProxyKit;

/// <summary>A policy that configuration can name.</summary>
/// <param name="Name">What configuration calls it.</param>
/// <param name="Read">Makes it from its section, which holds its name and its options; faults are told through <see cref="FormatException"/>.</param>
public sealed record NamedPolicy(string Name, Func<IConfigurationSection, PolicyReader, IBalancingPolicy> Read);

/// <summary>Makes policies from configuration, where they stand by name: <c>"Policy": "RoundRobin"</c> or <c>"Policy": { "Name": "RingHash", "Points": 200 }</c>.</summary>
public sealed class PolicyReader(IEnumerable<NamedPolicy> policies)
{
    // The last one of a name counts, so that a package may be added twice and a host may put its own in place of another.
    private readonly Dictionary<string, NamedPolicy> _policies =
        policies.GroupBy(policy => policy.Name, StringComparer.OrdinalIgnoreCase).ToDictionary(group => group.Key, group => group.Last(), StringComparer.OrdinalIgnoreCase);

    /// <summary>The policy that <paramref name="section"/> names.</summary>
    /// <exception cref="FormatException">It names none that is known, or its options have faults.</exception>
    public IBalancingPolicy Read(IConfigurationSection section)
    {
        ArgumentNullException.ThrowIfNull(section);
        var name = section.Value ?? section["Name"] ?? throw new FormatException($"{section.Path} names no policy; write one of: {string.Join(", ", _policies.Keys.Order())}.");
        if (!_policies.TryGetValue(name, out var policy))
        {
            throw new FormatException(ConfigurationReader.Unknown($"{section.Path} '{name}'", name, _policies.Keys));
        }

        var made = policy.Read(section, this);
        var faults = (made as IValidatable)?.Faults().ToList() ?? [];
        return faults.Count == 0 ? made : throw new FormatException($"{section.Path}: {string.Join(" ", faults)}");
    }

    /// <summary>The options of a policy from its section, read strictly; its defaults where the section is its name alone.</summary>
    /// <exception cref="FormatException">They have faults.</exception>
    public static T Options<[DynamicallyAccessedMembers(DynamicallyAccessedMemberTypes.PublicProperties)] T>(
        IConfigurationSection section, Action<IConfigurationSection, T> bind, params ReadOnlySpan<string> alsoKnown)
        where T : class, IValidatable, new()
    {
        ArgumentNullException.ThrowIfNull(section);
        if (section.Value is not null && !section.GetChildren().Any())
        {
            return new T(); // its name alone, as in "Policy": "Maglev"
        }

        var faults = new List<string>();
        return ConfigurationReader.TryRead(section, bind, faults, out var options, [.. alsoKnown, "Name"]) ? options : throw new FormatException(string.Join(" ", faults));
    }
}

/// <summary>Registers policies for configuration.</summary>
public static class NamedPolicyExtensions
{
    /// <summary>Lets configuration name a policy that has no options.</summary>
    public static IServiceCollection AddNamedPolicy(this IServiceCollection services, string name, Func<IBalancingPolicy> make) =>
        services.AddNamedPolicy(name, (section, _) =>
        {
            var faults = new List<string>();
            ConfigurationReader.CheckKeys(section, ["Name"], faults);
            return faults.Count == 0 ? make() : throw new FormatException(string.Join(" ", faults));
        });

    /// <summary>Lets configuration name a policy that is made from its section.</summary>
    public static IServiceCollection AddNamedPolicy(this IServiceCollection services, string name, Func<IConfigurationSection, PolicyReader, IBalancingPolicy> read) =>
        services.AddSingleton(new NamedPolicy(name, read));
}
