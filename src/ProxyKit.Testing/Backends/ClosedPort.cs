using System.Net;
using System.Net.Sockets;

namespace ProxyKit.Testing;

/// <summary>A port of loopback that refuses connections for as long as this lives: it is taken, and nobody listens.</summary>
public sealed class ClosedPort : IDisposable
{
    private readonly Socket _socket = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);

    /// <summary>Takes a free port.</summary>
    public ClosedPort()
    {
        _socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        Address = new Uri($"http://{_socket.LocalEndPoint}");
    }

    /// <summary>Where nobody listens.</summary>
    public Uri Address { get; }

    /// <summary>Gives the port back.</summary>
    public void Dispose() => _socket.Dispose();
}
