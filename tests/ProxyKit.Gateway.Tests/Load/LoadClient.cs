using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace ProxyKit.Gateway.Tests;

/// <summary>Sends GETs and POSTs over several connections until it is told to stop, and counts what came of them.</summary>
/// <remarks>
/// Each has one connection at a time. With a second gateway it is as clients behind a balancer are: who has lost the connection to the first
/// gateway connects to the second.
/// </remarks>
internal sealed class LoadClient : IDisposable
{
    private static readonly string Body = new('b', 8 * 1024);

    private readonly HttpClient[] _clients;
    private readonly CancellationTokenSource _stop = new();
    private readonly Task[] _running;
    private int _served;

    public LoadClient(Uri gateway, int connections, Version? version = null, Uri? elsewhere = null)
    {
        _clients = [.. Enumerable.Range(0, connections).Select(_ => NewClient(gateway, version ?? HttpVersion.Version11, elsewhere ?? gateway))];
        _running = [.. _clients.Select(RunAsync)];
    }

    public int Served => Volatile.Read(ref _served);

    public ConcurrentQueue<string> Failures { get; } = [];

    /// <summary>Waits until so many more requests have been served.</summary>
    public async Task WhenServedAsync(int more)
    {
        var goal = Served + more;
        await Eventually.TrueAsync(() => Served >= goal);
    }

    /// <summary>Lets each request under way end, and starts no other.</summary>
    public async Task StopAsync()
    {
        await _stop.CancelAsync();
        await Task.WhenAll(_running);
    }

    public void Dispose()
    {
        _stop.Dispose();
        foreach (var client in _clients)
        {
            client.Dispose();
        }
    }

    private static HttpClient NewClient(Uri gateway, Version version, Uri elsewhere)
    {
        var connected = 0;
        var handler = new SocketsHttpHandler
        {
            MaxConnectionsPerServer = 1,
            UseProxy = false,
            ConnectCallback = async (_, cancellationToken) =>
            {
                var to = Interlocked.Increment(ref connected) == 1 ? gateway : elsewhere;
                var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
                try
                {
                    await socket.ConnectAsync(to.Host, to.Port, cancellationToken);
                    return new NetworkStream(socket, ownsSocket: true);
                }
                catch
                {
                    socket.Dispose();
                    throw;
                }
            },
        };
        return new HttpClient(handler) { BaseAddress = gateway, Timeout = TimeSpan.FromSeconds(30), DefaultRequestVersion = version, DefaultVersionPolicy = HttpVersionPolicy.RequestVersionExact };
    }

    private async Task RunAsync(HttpClient client, int connection)
    {
        await Task.Yield();
        for (var i = connection; !_stop.IsCancellationRequested; i++)
        {
            using var message = i % 3 == 0
                ? new HttpRequestMessage(HttpMethod.Post, "/p") { Content = new StringContent(Body, Encoding.ASCII) }
                : new HttpRequestMessage(HttpMethod.Get, "/g");
            (message.Version, message.VersionPolicy) = (client.DefaultRequestVersion, client.DefaultVersionPolicy);
            try
            {
                using var response = await client.SendAsync(message);
                var text = await response.Content.ReadAsStringAsync();
                if (response.StatusCode == HttpStatusCode.OK && text == (message.Content is null ? "0" : $"{Body.Length}"))
                {
                    Interlocked.Increment(ref _served);
                }
                else
                {
                    Failures.Enqueue($"{message.Method}: {(int)response.StatusCode} {text}");
                }
            }
            catch (Exception fault) when (fault is HttpRequestException or OperationCanceledException)
            {
                Failures.Enqueue($"{message.Method}: {fault}");
            }
        }
    }
}
