using System.Collections.Concurrent;
using System.Net;
using System.Text;

namespace ProxyKit.Gateway.Tests;

/// <summary>Sends GETs and POSTs over several connections until it is told to stop, and counts what came of them.</summary>
internal sealed class LoadClient : IDisposable
{
    private static readonly string Body = new('b', 8 * 1024);

    private readonly HttpClient _client;
    private readonly CancellationTokenSource _stop = new();
    private readonly Task[] _running;
    private int _served;

    public LoadClient(Uri gateway, int connections)
    {
        _client = new HttpClient(new SocketsHttpHandler { MaxConnectionsPerServer = connections, UseProxy = false }) { BaseAddress = gateway, Timeout = TimeSpan.FromSeconds(30) };
        _running = [.. Enumerable.Range(0, connections).Select(RunAsync)];
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
        _client.Dispose();
    }

    private async Task RunAsync(int connection)
    {
        await Task.Yield();
        for (var i = connection; !_stop.IsCancellationRequested; i++)
        {
            using var message = i % 3 == 0
                ? new HttpRequestMessage(HttpMethod.Post, "/p") { Content = new StringContent(Body, Encoding.ASCII) }
                : new HttpRequestMessage(HttpMethod.Get, "/g");
            try
            {
                using var response = await _client.SendAsync(message);
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
