using System.Globalization;
using System.Net;

using Microsoft.AspNetCore.Server.Kestrel.Core;

using ProxyKit.FailureMatrix.Host;

// A backend of the failure matrix in a process of its own, so that it can be killed. usage: NAME PORT http1|http2
// It prints where it listens, and then a line for each delivery: a POST whose process dies has been counted. Its standard input takes lines:
// 'slow MS', 'status CODE SHARE', 'health CODE'; at the end of the input, and at SIGTERM, it stops as a server should.
var (name, port, http2) = (args[0], int.Parse(args[1], CultureInfo.InvariantCulture), args[2] == "http2");
var builder = WebApplication.CreateSlimBuilder();
builder.Logging.ClearProviders();
builder.WebHost.ConfigureKestrel(kestrel =>
{
    kestrel.Limits.MaxRequestBodySize = null;
    kestrel.Listen(IPAddress.Loopback, port, listen => listen.Protocols = http2 ? HttpProtocols.Http2 : HttpProtocols.Http1);
});
builder.WebHost.UseShutdownTimeout(TimeSpan.FromSeconds(10));

await using var app = builder.Build();
var backend = new Backend(name, app.Lifetime.ApplicationStopping);
app.Map("/{**rest}", backend.AnswerAsync);
await app.StartAsync();
await Backend.SayAsync(app.Urls.Single());
_ = Task.Run(async () =>
{
    while (await Console.In.ReadLineAsync() is { } line)
    {
        backend.Told(line.Split(' '));
        await Backend.SayAsync($"told {line}");
    }

    app.Lifetime.StopApplication();
});
await app.WaitForShutdownAsync();
