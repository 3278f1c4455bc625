using System.Collections.Immutable;

using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Cors;
using Microsoft.AspNetCore.Http.Timeouts;
using Microsoft.AspNetCore.RateLimiting;
using Microsoft.AspNetCore.Routing;
using Microsoft.AspNetCore.Routing.Patterns;
using Microsoft.Extensions.Configuration;

namespace ProxyKit.Forwarding;

/// <summary>Reads routes from configuration, strictly.</summary>
internal sealed class RouteReader(TransformReader transforms)
{
    private static readonly string[] Parts = ["Transforms", "Split", "SplitKey", "Key", "Timeouts", "Mirror"];

    /// <summary>A route as configuration says it: where it listens, how it forwards, what guards it.</summary>
    public sealed record Read(string Name, RoutePattern Pattern, int Order, PoolRoute Route, ImmutableArray<object> Metadata);

    /// <summary>The route of that section; null where it has faults, which are added to <paramref name="faults"/>.</summary>
    public Read? TryRead(IConfigurationSection section, ICollection<string> faults)
    {
        var before = faults.Count;
        if (!ConfigurationReader.TryRead<RouteOptions>(section, static (section, options) => section.Bind(options), faults, out var options, Parts))
        {
            return null;
        }

        var collected = new Collected();
        transforms.Read(section.GetSection("Transforms"), collected, faults);
        var split = ReadSplit(section, faults);
        if (options.Pool is null == (split is null))
        {
            faults.Add($"{section.Path} must name either a Pool or a Split.");
        }

        var pattern = ReadPattern(section, options, faults);
        var route = new PoolRoute
        {
            Pool = options.Pool ?? split?.Shares[0].Pool ?? "",
            RequestTransforms = [.. collected.Requests],
            ResponseTransforms = [.. collected.Responses],
            Timeouts = ReadTimeouts(section.GetSection("Timeouts"), faults),
            Key = ReadKey(section.GetSection("Key"), faults),
            Split = split,
            Mirror = ReadMirror(section.GetSection("Mirror"), faults),
            AllowAmbiguousPaths = options.AllowAmbiguousPaths,
            MaxRequestBodySize = options.MaxRequestBodySize,
        };
        return faults.Count == before ? new Read(section.Key, pattern!, options.Order, route, [.. Metadata(options)]) : null;
    }

    private static IEnumerable<object> Metadata(RouteOptions options)
    {
        if (options.Methods.Count > 0)
        {
            yield return new HttpMethodMetadata(options.Methods);
        }

        if (options.Hosts.Count > 0)
        {
            yield return new HostAttribute([.. options.Hosts]);
        }

        if (options.Authorization is { } authorization)
        {
            yield return authorization.Equals("Anonymous", StringComparison.OrdinalIgnoreCase) ? new AllowAnonymousAttribute()
                : authorization.Equals("Default", StringComparison.OrdinalIgnoreCase) ? new AuthorizeAttribute()
                : (object)new AuthorizeAttribute(authorization);
        }

        if (options.Cors is { } cors)
        {
            yield return new EnableCorsAttribute(cors);
        }

        if (options.RateLimiter is { } limiter)
        {
            yield return new EnableRateLimitingAttribute(limiter);
        }

        if (options.RequestTimeout is { } timeout)
        {
            yield return new RequestTimeoutAttribute(timeout);
        }
    }

    private static RoutePattern? ReadPattern(IConfigurationSection section, RouteOptions options, ICollection<string> faults)
    {
        try
        {
            return RoutePatternFactory.Parse(options.Path ?? "/{**rest}");
        }
        catch (RoutePatternException fault)
        {
            faults.Add($"{section.Path}:Path is '{options.Path}'; {fault.Message}");
            return null;
        }
    }

    private static TrafficSplit? ReadSplit(IConfigurationSection section, ICollection<string> faults)
    {
        var shares = new List<(string, int)>();
        foreach (var child in section.GetSection("Split").GetChildren())
        {
            if (int.TryParse(child.Value, System.Globalization.NumberStyles.None, System.Globalization.CultureInfo.InvariantCulture, out var weight))
            {
                shares.Add((child.Key, weight));
            }
            else
            {
                faults.Add($"{child.Path} is '{child.Value}'; write the pool's weight, a whole number.");
            }
        }

        if (shares.Count == 0)
        {
            return null;
        }

        var split = new TrafficSplit(shares, ReadKey(section.GetSection("SplitKey"), faults));
        foreach (var fault in split.Faults())
        {
            faults.Add($"{section.Path}:Split: {fault}");
        }

        return split;
    }

    private static HashKey? ReadKey(IConfigurationSection section, ICollection<string> faults)
    {
        try
        {
            return section.Exists() ? KeySection.Read(section) : null;
        }
        catch (FormatException fault)
        {
            faults.Add(fault.Message);
            return null;
        }
    }

    private static TimeoutOptions? ReadTimeouts(IConfigurationSection section, ICollection<string> faults) =>
        section.Exists() && ConfigurationReader.TryRead<TimeoutOptions>(section, static (section, options) => section.Bind(options), faults, out var timeouts) ? timeouts : null;

    private static MirrorOptions? ReadMirror(IConfigurationSection section, ICollection<string> faults)
    {
        if (section.Value is { Length: > 0 } pool)
        {
            return new MirrorOptions { Pool = pool };
        }

        return section.Exists() && ConfigurationReader.TryRead<MirrorOptions>(section, static (section, options) => section.Bind(options), faults, out var mirror) ? mirror : null;
    }

    /// <summary>The plain values of a route's section.</summary>
    internal sealed class RouteOptions : IValidatable
    {
        public string? Path { get; set; }

        public string? Pool { get; set; }

        public int Order { get; set; }

        public IList<string> Hosts { get; set; } = [];

        public IList<string> Methods { get; set; } = [];

        public bool AllowAmbiguousPaths { get; set; }

        public long? MaxRequestBodySize { get; set; }

        public string? Authorization { get; set; }

        public string? Cors { get; set; }

        public string? RateLimiter { get; set; }

        public string? RequestTimeout { get; set; }

        public IEnumerable<string> Faults()
        {
            if (MaxRequestBodySize < 0)
            {
                yield return $"{nameof(MaxRequestBodySize)} is {MaxRequestBodySize}; it must be 0 or more bytes.";
            }
        }
    }

    private sealed class Collected : ITransformBuilder
    {
        public List<IRequestTransform> Requests { get; } = [];

        public List<IResponseTransform> Responses { get; } = [];

        public void Add(IRequestTransform transform) => Requests.Add(transform);

        public void Add(IResponseTransform transform) => Responses.Add(transform);
    }
}
