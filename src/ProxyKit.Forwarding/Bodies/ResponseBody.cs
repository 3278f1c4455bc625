using System.IO.Pipelines;
using System.Runtime.CompilerServices;

namespace ProxyKit.Forwarding;

/// <summary>Copies a response's body to the client, piece by piece as it comes: what the client does not take is not read.</summary>
internal static class ResponseBody
{
    private const int Piece = 32 * 1024;

    // A short answer of known length mostly comes with its head; waiting for it saves a packet.
    private const int SendWithHead = 16 * 1024;

    /// <summary>Copies to the end. Where <paramref name="length"/> is known, exactly as much.</summary>
    /// <exception cref="HttpIOException">The body ended before its length.</exception>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    public static async ValueTask CopyAsync(Stream source, PipeWriter client, long? length, Deadline deadline, TimeoutOptions timeouts)
    {
        var cancellationToken = deadline.Token;
        var left = length ?? long.MaxValue;
        var flushes = false; // the last piece must be flushed only where one before it was
        if (length is null or > SendWithHead)
        {
            // Asking for nothing waits without holding a buffer; while it waits, the client has the head.
            var any = source.ReadAsync(Memory<byte>.Empty, cancellationToken);
            if (!any.IsCompleted)
            {
                await FlushAsync(client, deadline, timeouts);
                flushes = true;
            }

            await any;
        }

        while (left > 0)
        {
            var memory = client.GetMemory((int)Math.Min(left, Piece));
            if (memory.Length > left)
            {
                memory = memory[..(int)left];
            }

            var count = await source.ReadAsync(memory, cancellationToken);
            if (count == 0)
            {
                if (length is not null)
                {
                    throw new HttpIOException(HttpRequestError.ResponseEnded, "The response's body ended before its length.");
                }

                break;
            }

            client.Advance(count);
            left -= count;
            if (left > 0 || flushes)
            {
                await FlushAsync(client, deadline, timeouts);
                flushes = true;
                if (left > 0 && length is null)
                {
                    _ = await source.ReadAsync(Memory<byte>.Empty, cancellationToken); // it waits, and holds no buffer
                }
            }
        }
    }

    /// <summary>Sends what was written, and waits for a client that is slow.</summary>
    public static async ValueTask FlushAsync(PipeWriter client, Deadline deadline, TimeoutOptions timeouts)
    {
        var flush = client.FlushAsync(deadline.Token);
        if (!flush.IsCompletedSuccessfully)
        {
            deadline.Set(TimeoutKind.WriteIdle, timeouts.WriteIdle);
        }

        var result = await flush;
        if (result.IsCompleted || result.IsCanceled)
        {
            throw new ClientGoneException();
        }

        deadline.Set(TimeoutKind.ReadIdle, timeouts.ReadIdle);
    }
}

/// <summary>The client takes no more. The server says so here before it says so elsewhere; the destination is not to blame.</summary>
internal sealed class ClientGoneException() : OperationCanceledException("The client has gone.");
