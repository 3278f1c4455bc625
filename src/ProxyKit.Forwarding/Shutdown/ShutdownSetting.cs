using Microsoft.Extensions.Configuration;

namespace ProxyKit.Forwarding;

/// <summary>What was said of shutting down, by code or else by configuration.</summary>
/// <param name="Options">The options; null where nobody said anything.</param>
internal sealed record ShutdownSetting(ShutdownOptions? Options)
{
    /// <summary>Its key, beside <c>Pools</c> and <c>Routes</c>.</summary>
    public const string Key = "Shutdown";

    /// <summary>Takes what code said, or else reads the section.</summary>
    /// <exception cref="InvalidOperationException">The section has faults; the message lists every one with its path.</exception>
    public static ShutdownSetting Of(ShutdownOptions? said, IEnumerable<ProxyKitConfiguration> configurations)
    {
        if (said is not null || Section(configurations) is not { } section)
        {
            return new(said);
        }

        var faults = new List<string>();
        return ConfigurationReader.TryRead<ShutdownOptions>(section, static (section, options) => section.Bind(options), faults, out var options)
            ? new(options)
            : throw new InvalidOperationException($"ProxyKit's shutdown has {(faults.Count == 1 ? "a fault" : $"{faults.Count} faults")}: {string.Join(" ", faults)}");
    }

    /// <summary>The section that configuration has for it; null where there is none.</summary>
    public static IConfigurationSection? Section(IEnumerable<ProxyKitConfiguration> configurations) =>
        configurations.SelectMany(configuration => configuration.Section.GetChildren()).FirstOrDefault(child => child.Key.Equals(Key, StringComparison.OrdinalIgnoreCase));
}
