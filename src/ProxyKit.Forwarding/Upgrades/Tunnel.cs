using System.Buffers;

namespace ProxyKit.Forwarding;

/// <summary>Moves bytes both ways between a client and a destination until either ends, or nothing has moved for too long.</summary>
internal static class Tunnel
{
    private const int BufferSize = 16 * 1024;

    /// <summary>Runs to the end. A side that ends is passed on; the other then has the idle limit to end as well, and is cut after it.</summary>
    public static async Task RunAsync(Stream client, Stream destination, Deadline deadline, TimeSpan idle)
    {
        deadline.Set(TimeoutKind.UpgradeIdle, idle);
        var up = CopyAsync(client, destination, deadline, idle);
        var down = CopyAsync(destination, client, deadline, idle);
        await Task.WhenAny(up, down);

        // WebSockets end with a handshake of their own, so when one side is gone the other has said all it had to say, or was broken off.
        if (!down.IsCompleted)
        {
            deadline.Set(TimeoutKind.UpgradeIdle, idle < LastWords && idle > TimeSpan.Zero ? idle : LastWords);
        }
        else
        {
            deadline.Cancel();
        }

        await Task.WhenAll(up, down);
    }

    private static readonly TimeSpan LastWords = TimeSpan.FromSeconds(5);

    private static async Task CopyAsync(Stream from, Stream to, Deadline deadline, TimeSpan idle)
    {
        byte[]? buffer = null;
        try
        {
            while (true)
            {
                // Idle connections hold no buffer: asking for nothing waits until there is something.
                _ = await from.ReadAsync(Memory<byte>.Empty, deadline.Token);
                buffer ??= ArrayPool<byte>.Shared.Rent(BufferSize);
                var count = await from.ReadAsync(buffer, deadline.Token);
                if (count == 0)
                {
                    return;
                }

                deadline.Set(TimeoutKind.UpgradeIdle, idle);
                await to.WriteAsync(buffer.AsMemory(0, count), deadline.Token);
                await to.FlushAsync(deadline.Token);
                ArrayPool<byte>.Shared.Return(buffer);
                buffer = null;
            }
        }
        catch (Exception end) when (end is IOException or OperationCanceledException or ObjectDisposedException or InvalidOperationException)
        {
            // Either side may go at any time; that is how tunnels end.
        }
        finally
        {
            if (buffer is not null)
            {
                ArrayPool<byte>.Shared.Return(buffer);
            }
        }
    }
}
