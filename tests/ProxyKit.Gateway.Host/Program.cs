using System.Net;

using ProxyKit;
using ProxyKit.Forwarding;

// A gateway in a process of its own, for tests that measure or end a process: the arguments are the destinations, and the first
// line it prints is where it listens. It lives until its standard input ends.
var builder = WebApplication.CreateSlimBuilder();
builder.Logging.ClearProviders();
builder.WebHost.ConfigureKestrel(kestrel =>
{
    kestrel.Limits.MaxRequestBodySize = null;
    kestrel.Listen(IPAddress.Loopback, 0);
});
builder.Services.AddProxyKit().AddPool("p", args);

await using var app = builder.Build();
app.MapPool("/{**rest}", "p");
await app.StartAsync();
await Console.Out.WriteLineAsync(app.Urls.Single());
await Console.In.ReadToEndAsync();
await app.StopAsync();
