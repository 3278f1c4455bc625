// Answers one request of its own, prints on which kind of thread it ran, and ends. The runtime reads the switch once in a process,
// so each way of calling the preset needs a process of its own. usage: ProxyKit.Transport.Host without|first|late|twice
using System.Net.Sockets;

using ProxyKit.Transport;

if (args[0] == "late")
{
    using var early = new TcpListener(System.Net.IPAddress.Loopback, 0);
    early.Start();
    using var client = new TcpClient();
    await client.ConnectAsync((System.Net.IPEndPoint)early.LocalEndpoint);
}

var builder = WebApplication.CreateSlimBuilder();
builder.WebHost.UseUrls("http://127.0.0.1:0");
for (var i = args[0] switch { "without" => 0, "twice" => 2, _ => 1 }; i > 0; i--)
{
    builder.WebHost.UseProxyKitTransport();
}

await using var app = builder.Build();
app.MapGet("/", () => Thread.CurrentThread.IsThreadPoolThread ? "ran on the thread pool" : "ran on a socket thread");
await app.StartAsync();
using var http = new HttpClient();
await http.GetStringAsync(new Uri(app.Urls.Single()));
Console.WriteLine(await http.GetStringAsync(new Uri(app.Urls.Single())));
await app.StopAsync();
