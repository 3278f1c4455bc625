using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Primitives;

namespace ProxyKit.Forwarding;

/// <summary>The endpoints of the routes in configuration; made again when it changes. A route whose change has faults stays as it was.</summary>
internal sealed partial class ConfiguredEndpoints : EndpointDataSource, IEndpointConventionBuilder, IDisposable
{
    private readonly PoolPlans _plans;
    private readonly IConfiguration[] _sections;
    private readonly RouteReader _reader;
    private readonly ILogger _logger;
    private readonly Lock _making = new();
    private readonly List<Action<EndpointBuilder>> _conventions = [];
    private readonly List<Action<EndpointBuilder>> _finally = [];
    private Dictionary<string, Known> _routes = new(StringComparer.OrdinalIgnoreCase);
    private IReadOnlyList<Endpoint>? _endpoints;
    private CancellationTokenSource _changed = new();
    private string _lastFaults = "";

    public ConfiguredEndpoints(PoolPlans plans, IEnumerable<ProxyKitConfiguration> configurations, RouteReader reader, ILoggerFactory loggers)
    {
        (_plans, _reader, _logger) = (plans, reader, loggers.CreateLogger(ForwardingMetrics.Name));
        _sections = [.. configurations.Select(configuration => configuration.Section)];
        if (_sections.Length == 0)
        {
            throw new InvalidOperationException("There is no configuration to map; call services.AddProxyKit().AddConfiguration(section) before the host is built.");
        }

        var faults = new List<string>();
        _routes = Read(faults);
        if (faults.Count > 0)
        {
            throw new InvalidOperationException($"ProxyKit's routes have {(faults.Count == 1 ? "a fault" : $"{faults.Count} faults")}: {string.Join(" ", faults)}");
        }

        // Not the section's own token: its watchers are called last first, and a route may name a pool that comes with it.
        plans.Pools.Reloaded += OnReloaded;
    }

    public override IReadOnlyList<Endpoint> Endpoints
    {
        get
        {
            lock (_making)
            {
                return _endpoints ??= [.. _routes.Values.Select(known => Make(known.Route))];
            }
        }
    }

    public override IChangeToken GetChangeToken()
    {
        lock (_making)
        {
            return new CancellationChangeToken(_changed.Token);
        }
    }

    public void Add(Action<EndpointBuilder> convention) => _conventions.Add(convention);

    public void Finally(Action<EndpointBuilder> finallyConvention) => _finally.Add(finallyConvention);

    public void Dispose()
    {
        _plans.Pools.Reloaded -= OnReloaded;
        _changed.Dispose();
    }

    private void OnReloaded(object? sender, EventArgs e) => Reload();

    private Dictionary<string, Known> Read(List<string> faults)
    {
        var routes = new Dictionary<string, Known>(StringComparer.OrdinalIgnoreCase);
        foreach (var section in _sections.SelectMany(section => section.GetSection("Routes").GetChildren()))
        {
            var found = new List<string>();
            var said = string.Join('\n', section.AsEnumerable(makePathsRelative: true));
            _routes.TryGetValue(section.Key, out var last);
            var route = last?.Said == said ? last.Route : TryRead(section, found);
            if (route is not null)
            {
                foreach (var pool in RouteHolder.PoolsOf(route.Route).Where(pool => _plans.TryFind(pool) is null))
                {
                    found.Add($"{section.Path} names pool '{pool}', which there is not; there are: {string.Join(", ", _plans.Names)}.");
                }
            }

            if (found.Count == 0)
            {
                routes[section.Key] = last?.Said == said ? last : new Known(said, route!);
            }
            else
            {
                faults.AddRange(found);
                if (last is not null)
                {
                    routes[section.Key] = last;
                }
            }
        }

        return routes;
    }

    private RouteReader.Read? TryRead(IConfigurationSection section, List<string> faults)
    {
        try
        {
            return _reader.TryRead(section, faults);
        }
        catch (Exception fault) // a user's transform may throw as it is read; no other route may suffer for it
        {
            faults.Add($"{section.Path}: {fault.Message}");
            return null;
        }
    }

    private void Reload()
    {
        CancellationTokenSource changed;
        var faults = new List<string>();
        lock (_making)
        {
            var before = _routes;
            _routes = Read(faults);
            var told = string.Join(" ", faults);
            if (told.Length > 0 && told != _lastFaults)
            {
                Log.RoutesRefused(_logger, told);
            }

            _lastFaults = told;
            if (before.Count == _routes.Count && before.All(route => _routes.TryGetValue(route.Key, out var now) && ReferenceEquals(now, route.Value)))
            {
                return;
            }

            _endpoints = null;
            (changed, _changed) = (_changed, new CancellationTokenSource());
        }

        Log.RoutesReloaded(_logger, _routes.Count);
        changed.Cancel();
        changed.Dispose();
    }

    private Endpoint Make(RouteReader.Read route)
    {
        var builder = new RouteEndpointBuilder(new RouteHolder(_plans, route.Route).InvokeAsync, route.Pattern, route.Order) { DisplayName = route.Name };
        foreach (var item in route.Metadata)
        {
            builder.Metadata.Add(item);
        }

        _conventions.ForEach(convention => convention(builder));
        _finally.ForEach(convention => convention(builder));
        return builder.Build();
    }

    // A route and what its section said: what says the same as before stays the same.
    private sealed record Known(string Said, RouteReader.Read Route);

    private static partial class Log
    {
        [LoggerMessage(10, LogLevel.Information, "Routes were reloaded from configuration; there are {Count}.", EventName = "RoutesReloaded")]
        public static partial void RoutesReloaded(ILogger logger, int count);

        [LoggerMessage(11, LogLevel.Error, "Routes whose new configuration has faults stay as they were. {Faults}", EventName = "RoutesRefused")]
        public static partial void RoutesRefused(ILogger logger, string faults);
    }
}
