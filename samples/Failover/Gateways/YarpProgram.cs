using Yarp.ReverseProxy;
using Yarp.ReverseProxy.Configuration;

namespace Failover;

/// <summary>YARP, in a process of its own: as it is, or with both of its health checks on and a connect timeout.</summary>
internal static class YarpProgram
{
    public static async Task<int> RunAsync(bool isTuned, string[] addresses)
    {
        var builder = GatewayHost.NewBuilder();
        var failures = new Failures(TimeProvider.System);
        var destinations = addresses.Select(address => address.Split('=', 2)).ToDictionary(pair => pair[0], pair => new DestinationConfig { Address = pair[1] });
        RouteConfig[] routes = [new RouteConfig { RouteId = "r", ClusterId = "shop", Match = new() { Path = "{**rest}" } }];
        var yarp = builder.Services.AddReverseProxy().LoadFromMemory(routes, [Cluster(isTuned, destinations)]);
        if (isTuned)
        {
            yarp.ConfigureHttpClient((_, handler) => handler.ConnectTimeout = TimeSpan.FromSeconds(1));
        }

        await using var app = builder.Build();
        app.MapReverseProxy(proxy =>
        {
            proxy.Use(async (context, next) =>
            {
                await next();
                if (context.GetForwarderErrorFeature() is not null && context.GetReverseProxyFeature().ProxiedDestination is { } destination)
                {
                    failures.Add(destination.DestinationId);
                }
            });
            proxy.UseSessionAffinity();
            proxy.UseLoadBalancing();
            proxy.UsePassiveHealthChecks();
        });
        var away = new HashSet<string>();
        return await GatewayHost.RunAsync(app, failures, async command =>
        {
            if (command is not [var verb and ("drain" or "return"), var name])
            {
                return "0"; // YARP does not try again
            }

            var leaving = app.Services.GetRequiredService<IProxyStateLookup>().TryGetCluster("shop", out var cluster) ? cluster.Destinations.GetValueOrDefault(name) : null;
            _ = verb == "drain" ? away.Add(name) : away.Remove(name);
            app.Services.GetRequiredService<InMemoryConfigProvider>().Update(routes, [Cluster(isTuned, destinations.Where(entry => !away.Contains(entry.Key)).ToDictionary())]);
            while (verb == "drain" && leaving is { ConcurrentRequestCount: > 0 })
            {
                await Task.Delay(TimeSpan.FromMilliseconds(20), TimeProvider.System);
            }

            return "done";
        });
    }

    private static ClusterConfig Cluster(bool isTuned, Dictionary<string, DestinationConfig> destinations) => new()
    {
        ClusterId = "shop",
        Destinations = destinations,
        HealthCheck = !isTuned ? null : new HealthCheckConfig
        {
            Active = new ActiveHealthCheckConfig { Enabled = true, Interval = TimeSpan.FromSeconds(1), Timeout = TimeSpan.FromSeconds(1), Policy = "ConsecutiveFailures", Path = "/healthz" },
            Passive = new PassiveHealthCheckConfig { Enabled = true, Policy = "TransportFailureRate", ReactivationPeriod = TimeSpan.FromSeconds(5) },
        },
    };
}
