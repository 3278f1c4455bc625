// A console program whose HttpClient balances over three servers. They run in this process, so that the sample needs nothing else.
using System.Net;

using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

using ProxyKit;
using ProxyKit.Balancing;

List<WebApplication> servers = [];
foreach (var name in (string[])["a", "b", "c"])
{
    servers.Add(await StartAsync(name));
}

#region compose
var services = new ServiceCollection();
services.AddProxyKit().AddPool("orders", [.. servers.Select(server => server.Urls.First())]).WithPolicy(new RoundRobin());
services.AddHttpClient<Orders>(client => client.BaseAddress = new Uri("http://orders")).UsePool("orders");
#endregion

await using (var provider = services.BuildServiceProvider())
{
    var orders = provider.GetRequiredService<Orders>();
    for (var id = 1; id <= 10; id++)
    {
        Console.WriteLine($"order {id}: {await orders.FindAsync(id)}");
    }

    Console.WriteLine(provider.GetRequiredService<PoolDirectory>().Find("orders").Explain());
}

foreach (var server in servers)
{
    await server.DisposeAsync();
}

static async Task<WebApplication> StartAsync(string name)
{
    var builder = WebApplication.CreateSlimBuilder();
    builder.Logging.ClearProviders();
    builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0));
    var app = builder.Build();
    app.MapGet("/orders/{id}", (int id) => $"served by {name}");
    await app.StartAsync();
    return app;
}

/// <summary>A client like any other: it knows a name, not who answers to it.</summary>
internal sealed class Orders(HttpClient http)
{
    public Task<string> FindAsync(int id) => http.GetStringAsync(new Uri($"/orders/{id}", UriKind.Relative));
}
