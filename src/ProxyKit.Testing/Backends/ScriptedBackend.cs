using System.Net;
using System.Net.Sockets;

namespace ProxyKit.Testing;

/// <summary>A backend on a raw socket of loopback that keeps every byte it gets and answers as told, rightly or wrongly.</summary>
/// <remarks>Its waits throw a <see cref="TimeoutException"/> after <see cref="Deadline"/>, so that no test hangs.</remarks>
public sealed class ScriptedBackend : IAsyncDisposable
{
    private readonly Lock _lock = new();
    private readonly List<BackendConnection> _connections = [];
    private readonly List<BackendRequest> _requests = [];
    private readonly List<Exception> _faults = [];
    private readonly List<Task> _running = [];
    private readonly List<Socket> _fillers = [];
    private readonly Func<BackendConnection, Task> _serve;
    private readonly Socket _reserved = NewSocket();
    private TaskCompletionSource _changed = NewSignal();
    private CancellationTokenSource _life = new();
    private Socket? _listener;
    private int _count;

    private ScriptedBackend(BackendAnswer answer, Func<BackendConnection, Task>? serve)
    {
        (Answer, _serve) = (answer, serve ?? ServeAsync);

        // Bound and never listening: it keeps the port while the backend is dead.
        _reserved.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        Address = new Uri($"http://{_reserved.LocalEndPoint}");
        Revive();
    }

    /// <summary>Where it listens.</summary>
    public Uri Address { get; }

    /// <summary>What it does with each request from now on.</summary>
    public BackendAnswer Answer { get; set; }

    /// <summary>How long a connection may rest before it is closed (FIN), which a request may meet on its way; null, the default, lets it rest.</summary>
    public TimeSpan? IdleTimeout { get; set; }

    /// <summary>How long a wait may take. The default is 20 s.</summary>
    public TimeSpan Deadline { get; set; } = TimeSpan.FromSeconds(20);

    /// <summary>Every request whose head has come, in order.</summary>
    public IReadOnlyList<BackendRequest> Requests => Locked(() => _requests.ToArray());

    /// <summary>Every connection that was made, in order.</summary>
    public IReadOnlyList<BackendConnection> Connections => Locked(() => _connections.ToArray());

    /// <summary>What went wrong on this side: requests that are no HTTP/1.1, scripts that threw.</summary>
    public IReadOnlyList<Exception> Faults => Locked(() => _faults.ToArray());

    /// <summary>Starts a backend that reads requests and answers each; with 200 and no body where <paramref name="answer"/> is null.</summary>
    public static ScriptedBackend Start(BackendAnswer? answer = null) => new(answer ?? Answers.Ok(), null);

    /// <summary>Starts a backend whose connections are scripted byte by byte; nothing is read but by the script.</summary>
    public static ScriptedBackend StartRaw(Func<BackendConnection, Task> serve)
    {
        ArgumentNullException.ThrowIfNull(serve);
        return new(Answers.Ok(), serve);
    }

    /// <summary>Dies as a killed process does: every connection is reset, new ones are refused.</summary>
    public void Kill()
    {
        BackendConnection[] open;
        lock (_lock)
        {
            _listener?.Dispose();
            _listener = null;
            _fillers.ForEach(filler => filler.Dispose());
            _fillers.Clear();
            open = [.. _connections];
        }

        foreach (var connection in open.Where(connection => !connection.Ended.IsCompleted))
        {
            connection.Reset();
        }

        _life.Cancel();
    }

    /// <summary>
    /// Becomes a black hole from one moment to the next: every connection is reset, and new ones neither succeed nor fail (<see cref="BlackHole.IsSupported"/>),
    /// until it is killed.
    /// </summary>
    public async Task SwallowAsync()
    {
        Socket listener;
        BackendConnection[] open;
        lock (_lock)
        {
            listener = _listener ?? throw new InvalidOperationException("It is dead; only who listens can swallow connections.");
            open = [.. _connections];
            _life.Cancel(); // it accepts no more
            _life = new CancellationTokenSource();
        }

        listener.Listen(0);
        foreach (var connection in open.Where(connection => !connection.Ended.IsCompleted))
        {
            connection.Reset();
        }

        var fillers = await BlackHole.FillAsync((IPEndPoint)listener.LocalEndPoint!);
        lock (_lock)
        {
            _fillers.AddRange(fillers);
        }
    }

    /// <summary>Listens on the same port again.</summary>
    public void Revive()
    {
        lock (_lock)
        {
            if (_listener is not null)
            {
                return;
            }

            _life = new CancellationTokenSource();
            _listener = NewSocket();
            _listener.Bind(_reserved.LocalEndPoint!);
            _listener.Listen(512);
            _running.Add(AcceptAsync(_listener, _life.Token));
        }
    }

    /// <summary>The requests, once there are at least <paramref name="count"/> of which the whole head has come.</summary>
    /// <exception cref="TimeoutException">There were fewer at the <see cref="Deadline"/>.</exception>
    public async Task<IReadOnlyList<BackendRequest>> WhenRequestsAsync(int count)
    {
        await WhenAsync(() => _requests.Count >= count, () => $"{_requests.Count} of {count} requests had come");
        return Requests;
    }

    /// <summary>The first request, once it has been read whole.</summary>
    public async Task<BackendRequest> WhenRequestAsync() => await (await WhenRequestsAsync(1))[0].Read.WaitAsync(Deadline);

    /// <summary>The connections, once there are at least <paramref name="count"/>.</summary>
    public async Task<IReadOnlyList<BackendConnection>> WhenConnectionsAsync(int count)
    {
        await WhenAsync(() => _connections.Count >= count, () => $"{_connections.Count} of {count} connections had been made");
        return Connections;
    }

    /// <summary>Stops it and everything it holds.</summary>
    public async ValueTask DisposeAsync()
    {
        Kill();
        await Task.WhenAll(Locked(() => _running.ToArray())).WaitAsync(Deadline);
        _reserved.Dispose();
        _life.Dispose();
    }

    private async Task AcceptAsync(Socket listener, CancellationToken stopping)
    {
        while (true)
        {
            Socket socket;
            try
            {
                socket = await listener.AcceptAsync(stopping);
            }
            catch (Exception fault) when (fault is SocketException or ObjectDisposedException or OperationCanceledException)
            {
                return;
            }

            socket.NoDelay = true;
            lock (_lock)
            {
                var connection = new BackendConnection(socket, _connections.Count + 1, stopping);
                _connections.Add(connection);
                _running.Add(RunAsync(connection));
            }

            Signal();
        }
    }

    private async Task RunAsync(BackendConnection connection)
    {
        await Task.Yield();
        try
        {
            await _serve(connection);
        }
        catch (Exception fault) when (fault is SocketException or ObjectDisposedException or OperationCanceledException or EndOfStreamException)
        {
            // The other side left, or the backend died: a script need not care.
        }
#pragma warning disable CA1031 // Whatever a script throws is kept for the test to see.
        catch (Exception fault)
#pragma warning restore CA1031
        {
            Locked(() =>
            {
                _faults.Add(fault);
                return true;
            });
            connection.Reset();
        }

        connection.Finish();
        Signal();
    }

    private async Task ServeAsync(BackendConnection connection)
    {
        while (!connection.IsOver && await NextAsync(connection) is var (first, fields, bytes))
        {
            var request = new BackendRequest(first, fields, bytes);
            lock (_lock)
            {
                _requests.Add(request);
            }

            Signal();
            var exchange = new BackendExchange(connection, request, Interlocked.Increment(ref _count));
            await Answer(exchange);
            if (!connection.IsOver)
            {
                await exchange.ReadBodyAsync();
            }
        }
    }

    private async Task<(string First, FieldList Fields, byte[] Bytes)?> NextAsync(BackendConnection connection)
    {
        if (IdleTimeout is { } limit)
        {
            using var idle = CancellationTokenSource.CreateLinkedTokenSource(connection.Stopping);
            idle.CancelAfter(limit);
            try
            {
                await connection.Reader.WaitAsync(idle.Token);
            }
            catch (OperationCanceledException) when (!connection.Stopping.IsCancellationRequested)
            {
                await connection.CloseAsync();
                return null;
            }
        }

        return await connection.Reader.ReadHeadAsync(connection.Stopping);
    }

    private async Task WhenAsync(Func<bool> reached, Func<string> standing)
    {
        using var deadline = new CancellationTokenSource(Deadline);
        while (true)
        {
            Task changed;
            lock (_lock)
            {
                if (reached())
                {
                    return;
                }

                changed = _changed.Task;
            }

            try
            {
                await changed.WaitAsync(deadline.Token);
            }
            catch (OperationCanceledException)
            {
                throw new TimeoutException($"After {Deadline}, {Locked(standing)}. Faults: {string.Join(" ", Faults.Select(fault => fault.Message))}");
            }
        }
    }

    private void Signal()
    {
        TaskCompletionSource changed;
        lock (_lock)
        {
            (changed, _changed) = (_changed, NewSignal());
        }

        changed.TrySetResult();
    }

    private T Locked<T>(Func<T> read)
    {
        lock (_lock)
        {
            return read();
        }
    }

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    // Two sockets may share the port because both say so and only one ever listens.
    private static Socket NewSocket()
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.ReuseAddress, true);
        return socket;
    }
}
