using System.Buffers;
using System.IO.Pipelines;

using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Http;

namespace ProxyKit.Forwarding;

/// <summary>
/// The body of a client's request, handed to one attempt after another. What was taken is kept up to a bound, so that it can be
/// sent again; beyond the bound the body is sent once.
/// </summary>
internal sealed class BodySource(HttpContext context, int keep) : IDisposable
{
    private readonly PipeReader _reader = context.Request.BodyReader;
    private byte[]? _kept;
    private int _keptCount;
    private bool _lost;
    private bool _ended;
    private volatile bool _stopping;
    private Task _copying = Task.CompletedTask;

    /// <summary>Its length as declared; null where the end says it.</summary>
    public long? Length { get; } = context.Request.ContentLength;

    /// <summary>Whether all of it can be sent (again).</summary>
    public bool CanReplay => !_lost;

    /// <summary>All of it, where it has been read to the end and kept whole; null otherwise.</summary>
    public ReadOnlyMemory<byte>? Whole => _ended && !_lost ? _kept.AsMemory(0, _keptCount) : default(ReadOnlyMemory<byte>?); // a plain null would be an empty Memory

    /// <summary>Whether the destination has begun to answer: from then on a client that is slow to send is no fault.</summary>
    public bool IsAnswered { get; private set; }

    /// <summary>Whether no copy is under way.</summary>
    public bool IsIdle => _copying.IsCompleted;

    /// <summary>What is wrong with the client's body, or with the client; null where nothing is.</summary>
    public Exception? ClientFault { get; private set; }

    /// <summary>Copies the body to a destination. Called again for another attempt, which first ends the one before.</summary>
    /// <remarks>The handler itself may send again, on a new connection, while the copy to the broken one is not yet over.</remarks>
    public Task CopyToAsync(Stream destination, Deadline deadline, TimeoutOptions timeouts, CancellationToken cancellationToken) =>
        _copying = _copying.IsCompleted
            ? CopyAsync(destination, deadline, timeouts, cancellationToken)
            : CopyAfterAsync(StopAsync().AsTask(), destination, deadline, timeouts, cancellationToken);

    /// <summary>A destination has begun to answer.</summary>
    public void MarkAnswered() => IsAnswered = true;

    /// <summary>Ends a copy that is under way, so that nobody reads the client but the next one.</summary>
    public async ValueTask StopAsync()
    {
        var copying = _copying;
        if (copying.IsCompleted)
        {
            return;
        }

        _stopping = true;
        _reader.CancelPendingRead();
        await copying.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _stopping = false;
    }

    /// <summary>Reads the body to its end, at most as much as is kept; false where it is longer.</summary>
    public async ValueTask<bool> TryReadAllAsync(CancellationToken cancellationToken)
    {
        while (!_ended)
        {
            var result = await ReadAsync(cancellationToken);
            var fits = _keptCount + result.Buffer.Length <= keep;
            if (fits)
            {
                Keep(result.Buffer);
            }

            // What does not fit is not marked as looked at: the next read must find it at once, not wait for more to come.
            _reader.AdvanceTo(fits ? result.Buffer.End : result.Buffer.Start);
            _ended = fits && result.IsCompleted;
            if (!fits)
            {
                return false;
            }
        }

        return true;
    }

    public void Dispose()
    {
        if (_kept is { } kept && _copying.IsCompleted)
        {
            _kept = null;
            ArrayPool<byte>.Shared.Return(kept);
        }
    }

    private async Task CopyAfterAsync(Task before, Stream destination, Deadline deadline, TimeoutOptions timeouts, CancellationToken cancellationToken)
    {
        await before;
        await CopyAsync(destination, deadline, timeouts, cancellationToken);
    }

    private async Task CopyAsync(Stream destination, Deadline deadline, TimeoutOptions timeouts, CancellationToken cancellationToken)
    {
        if (ClientFault is { } fault)
        {
            throw fault; // met before, while the body was read for a mirror
        }

        if (_lost)
        {
            throw new NotReplayableException();
        }

        IsAnswered = false;
        if (_keptCount > 0)
        {
            await destination.WriteAsync(_kept.AsMemory(0, _keptCount), cancellationToken);
        }

        while (!_ended)
        {
            // Once the answer has begun, a client that still sends keeps the exchange alive: the destination may wait for the end.
            deadline.Set(IsAnswered ? TimeoutKind.ReadIdle : TimeoutKind.RequestBody, IsAnswered ? timeouts.ReadIdle : timeouts.RequestBody);

            // Not the handler's token: it is cancelled as well where an HTTP/2 stream was reset, and a copy that ends by it hides why. The handler
            // hears why by itself, and knows then whether the destination has touched the request; this waits until it is stopped.
            var read = ReadAsync(deadline.Token);
            var result = read.IsCompleted ? await read : await FlushMeanwhileAsync(read.AsTask(), destination, deadline, cancellationToken);
            Keep(result.Buffer);
            _ended = result.IsCompleted;
            try
            {
                foreach (var piece in result.Buffer)
                {
                    await destination.WriteAsync(piece, cancellationToken);
                }
            }
            finally
            {
                _reader.AdvanceTo(result.Buffer.End);
            }
        }

        if (!IsAnswered)
        {
            deadline.Set(TimeoutKind.FirstByte, timeouts.FirstByte);
        }
    }

    // The client pauses: what it has sent goes on now. Where the destination is gone, the read must end before another attempt
    // begins one; what it brings is the other's.
    private async ValueTask<ReadResult> FlushMeanwhileAsync(Task<ReadResult> read, Stream destination, Deadline deadline, CancellationToken cancellationToken)
    {
        try
        {
            await destination.FlushAsync(cancellationToken);
        }
        catch (OperationCanceledException) when (!deadline.Token.IsCancellationRequested)
        {
            // A stream that was reset, as above.
        }
        catch
        {
            _stopping = true;
            StopReading();
            try
            {
                _reader.AdvanceTo((await read).Buffer.Start);
            }
            catch (OperationCanceledException)
            {
                // As asked.
            }

            _stopping = false;

            throw;
        }

        return await read;
    }

    private async ValueTask<ReadResult> ReadAsync(CancellationToken cancellationToken)
    {
        try
        {
            while (true)
            {
                cancellationToken.ThrowIfCancellationRequested();

                // The reader does not get the token: Kestrel's holds a read that a token has ended to be still under way, and refuses every
                // later one, so that the next attempt would find the body unreadable.
                var read = _reader.ReadAsync(CancellationToken.None);
                ReadResult result;
                if (read.IsCompleted)
                {
                    result = await read;
                }
                else
                {
                    using (cancellationToken.UnsafeRegister(static body => ((BodySource)body!).StopReading(), this))
                    {
                        result = await read;
                    }
                }

                if (!result.IsCanceled)
                {
                    return result;
                }

                _reader.AdvanceTo(result.Buffer.Start); // without it, the server holds this read to be still under way
                if (_stopping)
                {
                    throw new OperationCanceledException();
                }

                // Meant for this copy, as the token says, or for one that ended without another read: the reader keeps such a wish for whoever
                // reads next.
            }
        }
        catch (Exception fault) when (fault is IOException or ConnectionAbortedException)
        {
            // Whatever the server throws here is about the client: a bad chunk, a reset, a body that is too long or too slow.
            ClientFault = fault;
            throw;
        }
    }

    // Kestrel's reader throws here what has ended the body, if something has; the read is told that by itself. Thrown on, it would reach whoever
    // cancels: the server, or a timer.
    private void StopReading()
    {
        try
        {
            _reader.CancelPendingRead();
        }
        catch (Exception fault) when (fault is IOException or OperationCanceledException or ObjectDisposedException)
        {
        }
    }

    private void Keep(in ReadOnlySequence<byte> piece)
    {
        if (_lost || piece.IsEmpty)
        {
            return;
        }

        if (_keptCount + piece.Length > keep)
        {
            _lost = true;
            return;
        }

        if (_kept is null || _kept.Length < _keptCount + piece.Length)
        {
            var larger = ArrayPool<byte>.Shared.Rent((int)Math.Max(Math.Min(Length ?? 4096, keep), _keptCount + piece.Length));
            if (_kept is { } smaller)
            {
                smaller.AsSpan(0, _keptCount).CopyTo(larger);
                ArrayPool<byte>.Shared.Return(smaller);
            }

            _kept = larger;
        }

        piece.CopyTo(_kept.AsSpan(_keptCount));
        _keptCount += (int)piece.Length;
    }
}

/// <summary>A body was asked for again of which a part is gone.</summary>
internal sealed class NotReplayableException() : IOException("The request's body was sent in part and was too long to be kept, so it cannot be sent again.");
