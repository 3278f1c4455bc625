using System.Buffers;
using System.IO.Pipelines;

using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace ProxyKit.Forwarding;

/// <summary>Brings interim heads (RFC 9110 §15.2) to the client of one exchange, as long as its answer has not begun.</summary>
/// <remarks>
/// The server has no way to send them, so they are written to the client's connection itself. That is safe because nobody else writes to it
/// meanwhile: the server does not before the answer begins, and the answer does not begin before <see cref="CloseAsync"/> has returned.
/// </remarks>
internal sealed class InterimRelay
{
    /// <summary>Bytes of interim heads that are taken for one request.</summary>
    public const int MaxBytes = 16 * 1024;

    /// <summary>Interim heads that are taken for one request.</summary>
    public const int MaxHeads = 16;

    private readonly Lock _lock = new();
    private HttpContext? _context;
    private InterimLine? _line;
    private Task _flush = Task.CompletedTask;
    private int _heads;
    private int _bytes;

    private InterimRelay(HttpContext context) => _context = context;

    /// <summary>The relay of a request; null where its client gets none.</summary>
    public static InterimRelay? For(HttpContext context, PoolRoute route, PoolPlan plan) =>
        plan.Upstream is { ForwardInformational: true, Protocol: not UpstreamProtocol.Http2 }
        && HttpProtocol.IsHttp11(context.Request.Protocol)
        && route.ResponseTransforms.IsEmpty // they judge what of an answer may be seen, and do not see interim heads
        && context.Request.Headers.Expect.Count == 0 // the server may write 100 at any time
            ? new InterimRelay(context)
            : null;

    /// <summary>A line for one attempt; null while another attempt has one: of those that race, the first is heard.</summary>
    public InterimLine? Open()
    {
        lock (_lock)
        {
            return _context is null || _line is { IsSealed: false } ? null : _line = new InterimLine(this);
        }
    }

    /// <summary>Takes a whole interim head; false where no more are taken.</summary>
    public bool Take(ReadOnlySpan<byte> head)
    {
        lock (_lock)
        {
            if (_context is not { Response.HasStarted: false } context || ++_heads > MaxHeads || (_bytes += head.Length) > MaxBytes)
            {
                return false;
            }

            // 100 is an answer to the gateway's own Expect. What a slow client has not taken yet is not added to.
            if (InterimHead.Status(head) == StatusCodes.Status100Continue || !_flush.IsCompleted)
            {
                return true;
            }

            var made = new ArrayBufferWriter<byte>(head.Length);
            return InterimHead.TryWrite(head, made) && Output(context) is { } output && TrySend(output, made.WrittenSpan);
        }
    }

    /// <summary>Ends it: after this nothing is written to the client's connection but by the server.</summary>
    /// <param name="limit">How long a client may take to take what was sent; then its connection is cut.</param>
    /// <param name="time">The clock.</param>
    public ValueTask CloseAsync(TimeSpan limit, TimeProvider time)
    {
        HttpContext? context;
        lock (_lock)
        {
            (context, _context) = (_context, null);
        }

        return _flush.IsCompleted || context is null ? ValueTask.CompletedTask : FlushedAsync(context, limit, time);
    }

    private async ValueTask FlushedAsync(HttpContext context, TimeSpan limit, TimeProvider time)
    {
        try
        {
            await _flush.WaitAsync(limit > TimeSpan.Zero ? limit : Timeout.InfiniteTimeSpan, time);
        }
        catch (TimeoutException)
        {
            context.Abort();
            await _flush.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
        catch (Exception fault) when (fault is IOException or OperationCanceledException or InvalidOperationException)
        {
            // The client has gone, as whoever writes next will find.
        }
    }

    private bool TrySend(PipeWriter output, ReadOnlySpan<byte> head)
    {
        try
        {
            output.Write(head);
            var flush = output.FlushAsync(CancellationToken.None);
            if (!flush.IsCompletedSuccessfully)
            {
                _flush = flush.AsTask();
                return true;
            }

            return flush.Result is { IsCompleted: false };
        }
        catch (Exception fault) when (fault is IOException or InvalidOperationException)
        {
            return false; // the client has gone
        }
    }

    // Where the connection is under TLS, UseHttps has put a stream that encrypts in the transport's place. Where it has not, TLS was done in
    // some other way, and the transport may be the one below it: nothing readable may be written there.
    private static PipeWriter? Output(HttpContext context) =>
        context.Features.Get<IConnectionTransportFeature>()?.Transport is { } transport && (context.Features.Get<ITlsConnectionFeature>() is null || transport is Stream)
            ? transport.Output
            : null;
}
