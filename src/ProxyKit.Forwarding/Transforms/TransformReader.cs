using System.Globalization;

using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;

namespace ProxyKit.Forwarding;

/// <summary>A transform that configuration can name.</summary>
/// <param name="Name">What configuration calls it.</param>
/// <param name="Read">Adds it from its section; faults are told through <see cref="FormatException"/> or <see cref="ArgumentException"/>.</param>
public sealed record NamedTransform(string Name, Action<IConfigurationSection, ITransformBuilder> Read);

/// <summary>Reads a route's transforms: a list, each entry an object of one name.</summary>
/// <example><code>"Transforms": [ { "RemovePrefix": "/api" }, { "SetRequestHeader": { "Name": "X-Gateway", "Value": "1" } } ]</code></example>
public sealed class TransformReader(IEnumerable<NamedTransform> transforms)
{
    // What is registered last wins, so that a host can put its own in place of one of these.
    private readonly Dictionary<string, NamedTransform> _transforms = transforms
        .GroupBy(transform => transform.Name, StringComparer.OrdinalIgnoreCase)
        .ToDictionary(group => group.Key, group => group.Last(), StringComparer.OrdinalIgnoreCase);

    /// <summary>Adds the transforms of <paramref name="list"/> to <paramref name="route"/>, in their order; each fault is added to <paramref name="faults"/> with its path.</summary>
    public void Read(IConfigurationSection list, ITransformBuilder route, ICollection<string> faults)
    {
        ArgumentNullException.ThrowIfNull(list);
        ArgumentNullException.ThrowIfNull(route);
        ArgumentNullException.ThrowIfNull(faults);
        if (list.Value is { Length: > 0 })
        {
            faults.Add($"{list.Path} is '{list.Value}'; write a list such as [ {{ \"RemovePrefix\": \"/api\" }} ].");
            return;
        }

        foreach (var (index, entry) in list.GetChildren().Select(entry => (Index(entry), entry)).OrderBy(pair => pair.Item1))
        {
            if (index == int.MaxValue)
            {
                faults.Add($"{entry.Path} is no entry of a list; write [ {{ \"{entry.Key}\": … }} ].");
                continue;
            }

            var names = entry.GetChildren().ToList();
            if (names.Count != 1)
            {
                faults.Add($"{entry.Path} holds {(names.Count == 0 ? "no transform" : string.Join(", ", names.Select(name => name.Key)))}; each entry is an object of one name.");
                continue;
            }

            ReadOne(names[0], route, faults);
        }
    }

    private void ReadOne(IConfigurationSection section, ITransformBuilder route, ICollection<string> faults)
    {
        if (!_transforms.TryGetValue(section.Key, out var transform))
        {
            faults.Add(ConfigurationReader.Unknown(section.Path, section.Key, _transforms.Keys));
            return;
        }

        try
        {
            transform.Read(section, route);
        }
        catch (FormatException fault)
        {
            faults.Add(fault.Message);
        }
        catch (ArgumentException fault)
        {
            faults.Add($"{section.Path}: {fault.Message}");
        }
    }

    private static int Index(IConfigurationSection entry) => int.TryParse(entry.Key, NumberStyles.None, CultureInfo.InvariantCulture, out var index) ? index : int.MaxValue;
}

/// <summary>Registers transforms for configuration.</summary>
public static class NamedTransformExtensions
{
    /// <summary>Lets configuration name a transform that is made from its section.</summary>
    public static IServiceCollection AddNamedTransform(this IServiceCollection services, string name, Action<IConfigurationSection, ITransformBuilder> read) =>
        services.AddSingleton(new NamedTransform(name, read));
}
