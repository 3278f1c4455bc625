using Microsoft.Extensions.Configuration;

namespace ProxyKit.Forwarding;

/// <summary>Says what belongs together in a pool.</summary>
public static class KeyExtensions
{
    /// <summary>Gives each request of the pool the key by which a hashing policy places it. Other policies do not look at it.</summary>
    public static IPoolBuilder WithKey(this IPoolBuilder builder, HashKey key) => builder.With(key);
}

/// <summary>Reads a key from configuration: <c>"Key": "ClientIp"</c>, <c>"Key": { "Header": "X-User" }</c>.</summary>
internal static class KeySection
{
    private static readonly string[] Kinds = ["ClientIp", "Header", "Cookie", "Path", "Query", "RouteValue"];

    /// <summary>The key that the section says.</summary>
    /// <exception cref="FormatException">It says none; the message has its path.</exception>
    public static HashKey Read(IConfigurationSection section)
    {
        var children = section.GetChildren().ToList();
        var kind = section.Value ?? (children is [var only] ? only.Key : throw new FormatException($"{section.Path} must be one key, such as \"ClientIp\" or {{ \"Header\": \"X-User\" }}."));
        var inner = section.Value is null ? children[0] : null;
        var key = Kinds.FirstOrDefault(known => known.Equals(kind, StringComparison.OrdinalIgnoreCase)) switch
        {
            "ClientIp" => ReadClientIp(inner),
            "Path" => new PathKey(),
            "Header" => new HeaderKey(Name(section, inner, "Header")),
            "Cookie" => new CookieKey(Name(section, inner, "Cookie")),
            "Query" => new QueryKey(Name(section, inner, "Query")),
            "RouteValue" => (HashKey)new RouteValueKey(Name(section, inner, "RouteValue")),
            _ => throw new FormatException(ConfigurationReader.Unknown(inner?.Path ?? $"{section.Path} '{kind}'", kind, Kinds)),
        };
        var faults = (key as IValidatable)?.Faults().ToList() ?? [];
        return faults.Count == 0 ? key : throw new FormatException($"{section.Path}: {string.Join(" ", faults)}");
    }

    private static ClientIpKey ReadClientIp(IConfigurationSection? section)
    {
        if (section is null or { Value.Length: > 0 })
        {
            return new ClientIpKey();
        }

        var faults = new List<string>();
        return ConfigurationReader.TryRead<ClientIpBits>(section, static (section, options) => section.Bind(options), faults, out var bits)
            ? new ClientIpKey(bits.V4Bits, bits.V6Bits)
            : throw new FormatException(string.Join(" ", faults));
    }

    private static string Name(IConfigurationSection section, IConfigurationSection? inner, string kind) =>
        inner?.Value ?? throw new FormatException($"{section.Path}: {kind} needs a name; write {{ \"{kind}\": \"…\" }}.");

    /// <summary>A key's bits as they stand in configuration.</summary>
    internal sealed class ClientIpBits : IValidatable
    {
        public int V4Bits { get; set; } = 32;

        public int V6Bits { get; set; } = 64;

        public IEnumerable<string> Faults() => new ClientIpKey(V4Bits, V6Bits).Faults();
    }
}
