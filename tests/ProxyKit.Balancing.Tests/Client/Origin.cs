using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace ProxyKit.Balancing.Tests.Client;

/// <summary>An HTTP/1.1 server on a raw loopback socket, so that a test decides every byte it sends and how it hangs up.</summary>
internal sealed class Origin : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _stopped = new();
    private readonly Task _serving;

    /// <param name="name">The body of its answers, unless <paramref name="respond"/> gives others.</param>
    /// <param name="respond">Answers a request; hangs up hard after it where it returns false.</param>
    public Origin(string name, Func<Request, Stream, Task<bool>>? respond = null)
    {
        _listener.Start();
        _serving = ServeAsync(respond ?? ((_, stream) => Say(stream, Answer(name))));
    }

    public Uri Address => new($"http://127.0.0.1:{((IPEndPoint)_listener.LocalEndpoint).Port}");

    public ConcurrentQueue<Request> Requests { get; } = [];

    /// <summary>An address on which nobody listens.</summary>
    public static Uri Refusing()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return new($"http://127.0.0.1:{((IPEndPoint)listener.LocalEndpoint).Port}");
    }

    public static string Answer(string body, string status = "200 OK", string fields = "") =>
        $"HTTP/1.1 {status}\r\nContent-Length: {body.Length}\r\n{fields}\r\n{body}";

    public static async Task<bool> Say(Stream stream, string text)
    {
        await stream.WriteAsync(Encoding.ASCII.GetBytes(text));
        return true;
    }

    /// <summary>Stops listening and breaks every connection.</summary>
    public async ValueTask DisposeAsync()
    {
        _listener.Stop();
        await _stopped.CancelAsync();
        await _serving;
        _stopped.Dispose();
    }

    private async Task ServeAsync(Func<Request, Stream, Task<bool>> respond)
    {
        var connections = new List<Task>();
        while (true)
        {
            try
            {
                connections.Add(ServeAsync(await _listener.AcceptSocketAsync(_stopped.Token), respond));
            }
            catch (Exception fault) when (fault is OperationCanceledException or SocketException or ObjectDisposedException or InvalidOperationException) // the last where it was stopped between two calls
            {
                await Task.WhenAll(connections);
                return;
            }
        }
    }

    private async Task ServeAsync(Socket socket, Func<Request, Stream, Task<bool>> respond)
    {
        using var hangUp = _stopped.Token.Register(() => socket.Close(0));
        using var stream = new NetworkStream(socket, ownsSocket: true);
        using var reader = new StreamReader(stream, Encoding.Latin1);
        try
        {
            while (await ReadAsync(reader) is { } request)
            {
                Requests.Enqueue(request);
                if (!await respond(request, stream))
                {
                    socket.Close(0); // RST
                    return;
                }
            }
        }
        catch (Exception fault) when (fault is IOException or ObjectDisposedException)
        {
            // The client hung up, or the test did.
        }
    }

    private static async Task<Request?> ReadAsync(StreamReader reader)
    {
        if (await reader.ReadLineAsync() is not { Length: > 0 } line)
        {
            return null;
        }

        var fields = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase);
        while (await reader.ReadLineAsync() is { Length: > 0 } field)
        {
            fields[field[..field.IndexOf(':', StringComparison.Ordinal)]] = field[(field.IndexOf(':', StringComparison.Ordinal) + 1)..].Trim();
        }

        var body = new char[fields.TryGetValue("Content-Length", out var length) ? int.Parse(length, System.Globalization.CultureInfo.InvariantCulture) : 0];
        if (body.Length > 0)
        {
            await reader.ReadBlockAsync(body); // of nothing, it would wait for something
        }

        return new Request(line, fields, new string(body));
    }

    internal sealed record Request(string Line, IReadOnlyDictionary<string, string> Fields, string Body);
}
