// YARP as measured: one route, one destination, no logging. usage: BenchYarp PORT BACKEND_PORT [--preset] [--tls CERT KEY]
// With --preset it gets the same knobs as ProxyKit's transport preset; the environment variable is set by who starts it.
using System.Security.Cryptography.X509Certificates;

using Yarp.ReverseProxy.Configuration;

var builder = WebApplication.CreateSlimBuilder();
builder.WebHost.UseKestrelHttpsConfiguration();
builder.Logging.ClearProviders();
if (args.Contains("--preset"))
{
    builder.WebHost.UseSockets(sockets => (sockets.UnsafePreferInlineScheduling, sockets.WaitForDataBeforeAllocatingBuffer) = (true, false));
}

builder.WebHost.ConfigureKestrel(kestrel => kestrel.ListenLocalhost(int.Parse(args[0]), listen =>
{
    if (Array.IndexOf(args, "--tls") is > 0 and var at)
    {
        listen.UseHttps(X509Certificate2.CreateFromPemFile(args[at + 1], args[at + 2]));
    }
}));
builder.Services.AddReverseProxy().LoadFromMemory(
    [new RouteConfig { RouteId = "r", ClusterId = "c", Match = new() { Path = "{**rest}" } }],
    [new ClusterConfig { ClusterId = "c", Destinations = new Dictionary<string, DestinationConfig> { ["d"] = new() { Address = $"http://127.0.0.1:{args[1]}/" } } }]);

var app = builder.Build();
app.MapReverseProxy();
app.Run();
