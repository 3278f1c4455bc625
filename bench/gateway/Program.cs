// ProxyKit as measured: one route, one destination, no logging. usage: BenchGateway PORT BACKEND_PORT [--preset] [--tls CERT KEY]
using System.Security.Cryptography.X509Certificates;

using ProxyKit;
using ProxyKit.Forwarding;
using ProxyKit.Transport;

var builder = WebApplication.CreateSlimBuilder();
if (args.Contains("--preset"))
{
    builder.WebHost.UseProxyKitTransport();
}

builder.WebHost.UseKestrelHttpsConfiguration();
builder.Logging.ClearProviders();
builder.WebHost.ConfigureKestrel(kestrel => kestrel.ListenLocalhost(int.Parse(args[0]), listen =>
{
    if (Array.IndexOf(args, "--tls") is > 0 and var at)
    {
        listen.UseHttps(X509Certificate2.CreateFromPemFile(args[at + 1], args[at + 2]));
    }
}));
builder.Services.AddProxyKit().AddPool("c", $"http://127.0.0.1:{args[1]}");

var app = builder.Build();
app.MapPool("/{**rest}", "c");
app.Run();
