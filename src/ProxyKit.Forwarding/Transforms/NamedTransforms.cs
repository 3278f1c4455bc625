using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;

namespace ProxyKit.Forwarding;

/// <summary>How the transforms of this package stand in configuration.</summary>
internal static class NamedTransforms
{
    public static void AddTo(IServiceCollection services)
    {
        services.AddNamedTransform(nameof(RemovePrefix), static (section, route) => route.RemovePrefix(Text(section)));
        services.AddNamedTransform(nameof(AddPrefix), static (section, route) => route.AddPrefix(Text(section)));
        services.AddNamedTransform(nameof(SetPath), static (section, route) => route.SetPath(Text(section)));
        services.AddNamedTransform(nameof(PathPattern), static (section, route) => route.PathPattern(Text(section)));
        services.AddNamedTransform(nameof(PathRegex), static (section, route) =>
        {
            var (pattern, replacement) = Two(section, "Pattern", "Replacement");
            route.PathRegex(pattern, replacement);
        });
        AddPair(services, nameof(SetQuery), static (route, name, value) => route.SetQuery(name, value));
        AddPair(services, nameof(AppendQuery), static (route, name, value) => route.AppendQuery(name, value));
        services.AddNamedTransform(nameof(RemoveQuery), static (section, route) => route.RemoveQuery(Text(section)));
        services.AddNamedTransform(nameof(KeepQuery), static (section, route) => route.KeepQuery(Texts(section)));
        AddPair(services, nameof(SetRequestHeader), static (route, name, value) => route.SetRequestHeader(name, value));
        AddPair(services, nameof(AppendRequestHeader), static (route, name, value) => route.AppendRequestHeader(name, value));
        services.AddNamedTransform(nameof(RemoveRequestHeader), static (section, route) => route.RemoveRequestHeader(Text(section)));
        AddPair(services, nameof(SetResponseHeader), static (route, name, value) => route.SetResponseHeader(name, value));
        AddPair(services, nameof(AppendResponseHeader), static (route, name, value) => route.AppendResponseHeader(name, value));
        services.AddNamedTransform(nameof(RemoveResponseHeader), static (section, route) => route.RemoveResponseHeader(Text(section)));
        services.AddNamedTransform(nameof(BackendAuthorization), static (section, route) =>
        {
            var (scheme, parameter) = Two(section, "Scheme", "Parameter");
            route.BackendAuthorization(scheme, parameter);
        });
        services.AddNamedTransform(nameof(RewriteLocation), static (section, route) =>
        {
            var (publicPath, backendPath) = Paths(section);
            route.RewriteLocation(publicPath, backendPath);
        });
        services.AddNamedTransform(nameof(RewriteCookies), static (section, route) =>
        {
            var (publicPath, backendPath) = Paths(section);
            route.RewriteCookies(publicPath, backendPath);
        });
    }

    private static void AddPair(IServiceCollection services, string name, Action<ITransformBuilder, string, string> add) =>
        services.AddNamedTransform(name, (section, route) =>
        {
            var (field, value) = Two(section, "Name", "Value");
            add(route, field, value);
        });

    private static string Text(IConfigurationSection section) =>
        section.Value ?? throw new FormatException($"{section.Path} is no text; write {{ \"{section.Key}\": \"…\" }}.");

    private static List<string> Texts(IConfigurationSection section) => section.Value is { } one
        ? [one]
        : [.. section.GetChildren().Select(Text)];

    private static (string First, string Second) Two(IConfigurationSection section, string first, string second)
    {
        Check(section, first, second);
        return section[first] is { } a && section[second] is { } b
            ? (a, b)
            : throw new FormatException($"{section.Path} has no {(section[first] is null ? first : second)}; write {{ \"{first}\": \"…\", \"{second}\": \"…\" }}.");
    }

    // A text alone is the public path: { "RewriteLocation": "/api" }.
    private static (string Public, string Backend) Paths(IConfigurationSection section)
    {
        if (section.Value is { } path)
        {
            return (path, "/");
        }

        Check(section, "PublicPath", "BackendPath");
        return (section["PublicPath"] ?? "/", section["BackendPath"] ?? "/");
    }

    private static void Check(IConfigurationSection section, string first, string second)
    {
        var faults = new List<string>();
        ConfigurationReader.CheckKeys(section, [first, second], faults);
        if (faults.Count > 0)
        {
            throw new FormatException(string.Join(" ", faults));
        }
    }
}
