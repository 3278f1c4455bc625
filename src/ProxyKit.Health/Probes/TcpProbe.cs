using System.Buffers;
using System.Net.Sockets;
using System.Text;

namespace ProxyKit.Health;

/// <summary>Connects, and where that is asked for sends something and waits for an answer.</summary>
public sealed record TcpProbe : IProbe, IValidatable, ICopyable<TcpProbe>
{
    private const int Limit = 64 * 1024;

    /// <summary>The port; 0, the default, is the destination's own.</summary>
    public int Port { get; set; }

    /// <summary>What is sent, each character a byte (Latin-1), such as <c>PING\r\n</c>; null, the default, for nothing.</summary>
    public string? Send { get; set; }

    /// <summary>What the first 64 KiB of the answer contain, each character a byte (Latin-1), such as <c>+PONG</c>; null, the default, waits for none.</summary>
    public string? Expect { get; set; }

    /// <inheritdoc/>
    public async ValueTask<ProbeResult> ProbeAsync(ProbeContext context, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(context);
        if (ProbeAddress.EndPointOf(context.Destination, Port) is not { } end)
        {
            return ProbeResult.Unhealthy("its address has no port");
        }

        using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        await socket.ConnectAsync(end, cancellationToken);
        if (!string.IsNullOrEmpty(Send))
        {
            ReadOnlyMemory<byte> bytes = Encoding.Latin1.GetBytes(Send);
            while (bytes.Length > 0)
            {
                bytes = bytes[await socket.SendAsync(bytes, SocketFlags.None, cancellationToken)..];
            }
        }

        return string.IsNullOrEmpty(Expect) || await HearsAsync(socket, Encoding.Latin1.GetBytes(Expect), cancellationToken)
            ? ProbeResult.Healthy
            : ProbeResult.Unhealthy($"its answer does not contain '{Expect}'");
    }

    /// <inheritdoc/>
    public TcpProbe Copy() => this with { };

    /// <inheritdoc/>
    public IEnumerable<string> Faults()
    {
        if (Send?.Any(letter => letter > 0xFF) == true)
        {
            yield return $"{nameof(Send)} is '{Send}'; each character must be a byte, so none may be above U+00FF.";
        }

        if (Expect?.Any(letter => letter > 0xFF) == true || Expect?.Length > 4096)
        {
            yield return $"{nameof(Expect)} is '{Expect}'; each character must be a byte, so none may be above U+00FF, and there may be 4096 at the most.";
        }

        foreach (var fault in ProbeAddress.Faults(Port))
        {
            yield return fault;
        }
    }

    private static async ValueTask<bool> HearsAsync(Socket socket, byte[] wanted, CancellationToken cancellationToken)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(Limit);
        try
        {
            var heard = 0;
            while (heard < Limit)
            {
                var read = await socket.ReceiveAsync(buffer.AsMemory(heard, Limit - heard), SocketFlags.None, cancellationToken);
                if (read == 0)
                {
                    return false;
                }

                // It may have begun in what came before.
                var from = Math.Max(0, heard - wanted.Length + 1);
                heard += read;
                if (buffer.AsSpan(from, heard - from).IndexOf(wanted) >= 0)
                {
                    return true;
                }
            }

            return false;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }
}
