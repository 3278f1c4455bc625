using Microsoft.Extensions.Configuration;

namespace ProxyKit.Forwarding;

/// <summary>Keeps sessions of a pool together.</summary>
public static class StickinessExtensions
{
    /// <summary>Keeps the requests of a session with one member, also while that member drains (<see cref="DrainOptions.KeepSessions"/> is set).</summary>
    /// <exception cref="ArgumentException">The options have faults; the message lists every one.</exception>
    public static IPoolBuilder WithStickiness(this IPoolBuilder builder, StickinessOptions stickiness)
    {
        builder.AddForwarding(); // for the key ring, which a host that only maps pools has no other reason to have
        builder.With(stickiness);
        return builder.With(Kept(builder.Pool.Settings.Get<DrainOptions>()));
    }

    internal static DrainOptions Kept(DrainOptions? drain) => (drain ?? new DrainOptions()) with { KeepSessions = true };
}

/// <summary>Reads stickiness from configuration: <c>"Stickiness": { "Cookie": { "Name": "sid", "MaxLife": "08:00:00" } }</c>, or a kind alone: <c>"Stickiness": "ClientIp"</c>.</summary>
internal static class StickinessSection
{
    private static readonly string[] Kinds = ["Cookie", "Header", "AppCookie", "ClientIp"];

    /// <summary>The settings with the stickiness that the section says, and a drain that keeps sessions.</summary>
    /// <exception cref="FormatException">The section has faults; the message has their paths.</exception>
    public static PoolSettings Read(IConfigurationSection section, PoolSettings settings) =>
        settings.With(ReadOptions(section)).With(StickinessExtensions.Kept(settings.Get<DrainOptions>()));

    private static StickinessOptions ReadOptions(IConfigurationSection section)
    {
        var children = section.GetChildren().ToList();
        var kind = section.Value ?? (children is [var only] ? only.Key : throw new FormatException($"{section.Path} must be one kind, such as \"Cookie\" or {{ \"Cookie\": {{ \"Name\": \"sid\" }} }}."));
        var inner = section.Value is null ? children[0] : null;
        return Kinds.FirstOrDefault(known => known.Equals(kind, StringComparison.OrdinalIgnoreCase)) switch
        {
            "Cookie" => Options<StickyCookie>(inner, static (section, options) => section.Bind(options)),
            "Header" => Options<StickyHeader>(inner, static (section, options) => section.Bind(options)),
            "AppCookie" => Options<StickyAppCookie>(inner, static (section, options) => section.Bind(options)),
            "ClientIp" => Options<StickyClientIp>(inner, static (section, options) => section.Bind(options)),
            _ => throw new FormatException(ConfigurationReader.Unknown(inner?.Path ?? $"{section.Path} '{kind}'", kind, Kinds)),
        };
    }

    private static T Options<[System.Diagnostics.CodeAnalysis.DynamicallyAccessedMembers(System.Diagnostics.CodeAnalysis.DynamicallyAccessedMemberTypes.PublicProperties)] T>(
        IConfigurationSection? section, Action<IConfigurationSection, T> bind)
        where T : StickinessOptions, new()
    {
        if (section is null)
        {
            return new T();
        }

        var faults = new List<string>();
        return ConfigurationReader.TryRead(section, bind, faults, out var options) ? options : throw new FormatException(string.Join(" ", faults));
    }
}
