using System.Net;
using System.Net.Sockets;

namespace ProxyKit.Testing;

/// <summary>A port of loopback where connecting neither succeeds nor fails: its queue of connections is full and nobody accepts.</summary>
/// <remarks>Linux drops the SYN then. Elsewhere a full queue refuses, see <see cref="IsSupported"/>.</remarks>
public sealed class BlackHole : IAsyncDisposable
{
    private readonly Socket _listener = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
    private readonly List<Socket> _fillers = [];

    private BlackHole(int port)
    {
        _listener.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.ReuseAddress, true);
        _listener.Bind(new IPEndPoint(IPAddress.Loopback, port));
        _listener.Listen(0);
        Address = new Uri($"http://{_listener.LocalEndPoint}");
    }

    /// <summary>Whether this system can hold a connection open so.</summary>
    public static bool IsSupported => OperatingSystem.IsLinux();

    /// <summary>Where connecting hangs.</summary>
    public Uri Address { get; }

    /// <summary>Listens and fills the queue.</summary>
    /// <param name="port">Where: the port of a backend that is dead, say; a free one where 0.</param>
    public static async Task<BlackHole> StartAsync(int port = 0)
    {
        var hole = new BlackHole(port);
        hole._fillers.AddRange(await FillAsync((IPEndPoint)hole._listener.LocalEndPoint!));
        return hole;
    }

    /// <summary>Connects until the queue of a listener is full, and returns what fills it.</summary>
    internal static async Task<IReadOnlyList<Socket>> FillAsync(IPEndPoint listener)
    {
        var fillers = new List<Socket>();
        var (patience, full) = (TimeSpan.FromMilliseconds(300), false);
        while (!full)
        {
            // The queue holds one or two. A connection over loopback is made at once or not at all.
            var filler = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            fillers.Add(filler);
            using var deadline = new CancellationTokenSource(patience);
            try
            {
                await filler.ConnectAsync(listener, deadline.Token);
            }
            catch (OperationCanceledException)
            {
                full = true;
            }
        }

        return fillers;
    }

    /// <summary>Ends all that hangs.</summary>
    public ValueTask DisposeAsync()
    {
        _listener.Dispose();
        _fillers.ForEach(filler => filler.Dispose());
        return ValueTask.CompletedTask;
    }
}
