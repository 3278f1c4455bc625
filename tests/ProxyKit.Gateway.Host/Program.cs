using System.Net;

using Microsoft.AspNetCore.Server.Kestrel.Core;

using ProxyKit;
using ProxyKit.Forwarding;

// A gateway in a process of its own, for tests that measure or end a process: the arguments are the destinations, the environment may say more
// (ProxyKit__Shutdown__Delay), and the first line it prints is where it listens, on HTTP/1.1 and on HTTP/2. It lives until it is told to stop, by a
// signal or by the end of its standard input.
var builder = WebApplication.CreateSlimBuilder();
builder.Logging.ClearProviders();
builder.WebHost.ConfigureKestrel(kestrel =>
{
    kestrel.Limits.MaxRequestBodySize = null;
    kestrel.Listen(IPAddress.Loopback, 0, listen => listen.Protocols = HttpProtocols.Http1);
    kestrel.Listen(IPAddress.Loopback, 0, listen => listen.Protocols = HttpProtocols.Http2);
});
builder.Services.AddProxyKit().AddForwarding().AddConfiguration(builder.Configuration.GetSection("ProxyKit")).AddPool("p", args);

await using var app = builder.Build();
app.MapPool("/{**rest}", "p");
await app.StartAsync();
await Console.Out.WriteLineAsync(string.Join(' ', app.Urls));
_ = Task.Run(async () =>
{
    await Console.In.ReadToEndAsync();
    app.Lifetime.StopApplication();
});
await app.WaitForShutdownAsync();
