using System.Collections.Immutable;
using System.Globalization;

using Microsoft.Extensions.Configuration;

namespace ProxyKit;

/// <summary>Reads a pool's section: its destinations, its policy and the settings that packages know.</summary>
internal sealed class PoolSection(IEnumerable<SettingsSection> sections, PolicyReader policies, IServiceProvider services)
{
    // A package that is added twice registers its sections twice; the last one of a key counts.
    private readonly Dictionary<string, SettingsSection> _sections =
        sections.GroupBy(section => section.Key, StringComparer.OrdinalIgnoreCase).ToDictionary(group => group.Key, group => group.Last(), StringComparer.OrdinalIgnoreCase);

    /// <summary>The host's services, for settings that are made of them.</summary>
    public IServiceProvider Services => services;

    /// <summary>What a pool's section says. <paramref name="faults"/> gets one sentence for each fault.</summary>
    public (ImmutableArray<Destination> Destinations, PoolSettings Settings) Read(IConfiguration pool, ICollection<string> faults)
    {
        string[] known = ["Destinations", "Policy", .. _sections.Keys];
        ConfigurationReader.CheckObject(pool, known, faults);
        ConfigurationReader.CheckKeys(pool, known, faults);
        var settings = PoolSettings.Default;
        foreach (var child in pool.GetChildren())
        {
            if (_sections.TryGetValue(child.Key, out var section))
            {
                settings = section.Read(child, settings, services, faults);
            }
            else if (child.Key.Equals("Policy", StringComparison.OrdinalIgnoreCase))
            {
                settings = ReadPolicy(child, settings, faults);
            }
        }

        return ([.. ReadDestinations(pool.GetSection("Destinations"), faults)], settings);
    }

    private PoolSettings ReadPolicy(IConfigurationSection section, PoolSettings settings, ICollection<string> faults)
    {
        try
        {
            return settings.With(policies.Read(section));
        }
        catch (Exception fault) when (fault is FormatException or ArgumentException or InvalidOperationException)
        {
            faults.Add(fault is FormatException ? fault.Message : $"{section.Path}: {fault.Message}");
            return settings;
        }
    }

    private static List<Destination> ReadDestinations(IConfigurationSection section, ICollection<string> faults)
    {
        var destinations = new List<Destination>();
        ConfigurationReader.CheckObject(section, [], faults);
        foreach (var child in section.GetChildren())
        {
            if (ReadDestination(child, faults) is { } destination)
            {
                destinations.Add(destination);
            }
        }

        return destinations;
    }

    private static Destination? ReadDestination(IConfigurationSection section, ICollection<string> faults)
    {
        DestinationOptions? options = new();
        if (section.GetChildren().Any() && !ConfigurationReader.TryRead(section, static (section, options) => section.Bind(options), faults, out options))
        {
            return null;
        }

        // "a": "http://10.0.0.1:8080" is short for an object with an address alone; another layer may still add to it.
        options.Address ??= section.Value;
        if (!Uri.TryCreate(options.Address, UriKind.Absolute, out var address))
        {
            faults.Add($"{section.Path}: Address is '{options.Address}'; write scheme, host and port, such as 'http://10.0.0.1:8080'.");
            return null;
        }

        // In a list, the key is only a position: the name must stay with the address when others come and go.
        var name = int.TryParse(section.Key, NumberStyles.None, CultureInfo.InvariantCulture, out _) ? address.Authority : section.Key;
        var destination = new Destination(name, address)
        {
            Weight = options.Weight,
            Priority = options.Priority,
            Zone = options.Zone,
            Host = options.Host,
            Disabled = options.Disabled,
            Labels = options.Labels.ToImmutableSortedDictionary(StringComparer.Ordinal),
        };
        var found = destination.Faults().Select(fault => $"{section.Path}: {fault}").ToList();
        found.ForEach(faults.Add);
        return found.Count == 0 ? destination : null;
    }

    /// <summary>A destination as it stands in configuration, where its name is the key.</summary>
    internal sealed class DestinationOptions : IValidatable
    {
        public string? Address { get; set; }

        public int Weight { get; set; } = 1;

        public int Priority { get; set; }

        public string? Zone { get; set; }

        public string? Host { get; set; }

        public bool Disabled { get; set; }

        public Dictionary<string, string> Labels { get; set; } = [];

        public IEnumerable<string> Faults() => [];
    }
}
