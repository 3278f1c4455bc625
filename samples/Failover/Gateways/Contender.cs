namespace Failover;

/// <summary>A gateway in one setting.</summary>
/// <param name="Family">What <c>--only</c> calls it.</param>
/// <param name="Title">What the tables call it.</param>
/// <param name="StartAsync">Starts it before backends.</param>
internal sealed record Contender(string Family, string Title, Func<IReadOnlyList<Backend>, Task<IGateway>> StartAsync)
{
    public static IReadOnlyList<Contender> All { get; } =
    [
        new("proxykit", "ProxyKit", backends => ChildGateway.StartAsync("proxykit", backends)),
        new("proxykit", "ProxyKit, peak EWMA", backends => ChildGateway.StartAsync("proxykit-ewma", backends)),
        new("nginx", "nginx", backends => NginxGateway.StartAsync(false, backends)),
        new("nginx", "nginx, tuned", backends => NginxGateway.StartAsync(true, backends)),
        new("yarp", "YARP", backends => ChildGateway.StartAsync("yarp", backends)),
        new("yarp", "YARP, health checks", backends => ChildGateway.StartAsync("yarp-tuned", backends)),
    ];
}
