// A gateway in a page. With no arguments it brings three demo backends of its own; with --config FILE it runs any gateway from that file.
using Gateway;

using ProxyKit;
using ProxyKit.Balancing;
using ProxyKit.Forwarding;
using ProxyKit.Health;

var builder = WebApplication.CreateSlimBuilder(args);
if (builder.Configuration["config"] is { Length: > 0 } file)
{
    if (!File.Exists(file))
    {
        Console.Error.WriteLine($"There is no file '{Path.GetFullPath(file)}'; docs/configuration.md shows one.");
        return 2;
    }

    #region configured
    builder.Configuration.AddJsonFile(Path.GetFullPath(file), optional: false, reloadOnChange: true);
    builder.Services.AddProxyKit()
        .AddForwarding(builder.Configuration.GetSection("ProxyKit:Forwarding"))
        .AddBalancing()
        .AddHealth()
        .AddConfiguration(builder.Configuration.GetSection("ProxyKit"));

    var configured = builder.Build();
    configured.MapProxyKit();
    #endregion
    await configured.RunAsync();
    return 0;
}

await using var backends = await DemoBackends.StartAsync();
if (builder.Configuration["urls"] is null)
{
    builder.WebHost.UseUrls("http://127.0.0.1:8080");
}

#region compose
builder.Services.AddProxyKit()
    .AddPool("demo", backends.Addresses)
        .WithProbe(new HttpProbe("/healthz"))
        .WithOutlierDetection()
        .WithRetries(new RetryOptions { MaxAttempts = 3 })
        .WithLimits(new LimitOptions { MaxPerDestination = 200, QueueLength = 100 })
    .AddPool("sticky", backends.Addresses)
        .WithStickiness(new StickyCookie { Name = "sid" })
    .AddPool("by-user", backends.Addresses)
        .WithPolicy(new BoundedLoad(new Rendezvous()))
        .WithKey(new HeaderKey("X-User"));
builder.Services.AddHealthChecks().AddProxyKitPools();

var app = builder.Build();
app.MapHealthChecks("/healthz");
app.MapPool("/api/{**rest}", "demo").RemovePrefix("/api").SetResponseHeader("X-Gateway", "ProxyKit");
app.MapPool("/session/{**rest}", "sticky");
app.MapPool("/users/{**rest}", "by-user");
app.MapPool("/{**rest}", "demo");
#endregion

await app.StartAsync();
var address = app.Urls.First();
Console.WriteLine($"""
    The gateway listens on {address}, in front of {string.Join(", ", backends.Addresses)}. Try:

      curl {address}/hello                              # any of the three
      curl {address}/api/hello?x=1                      # the prefix is taken off
      curl -d 'some text' {address}/orders              # a body
      curl -c jar -b jar {address}/session/a            # twice: the cookie keeps you with one
      curl -H 'X-User: ada' {address}/users/ada         # one user, one backend
      curl {address}/healthz                            # is anybody there to serve?

    Ctrl+C ends it.
    """);
await app.WaitForShutdownAsync();
return 0;
