using System.Buffers;
using System.Runtime.CompilerServices;

namespace ProxyKit.Forwarding;

/// <summary>A connection to a destination on HTTP/1.1, watched for interim heads, which the handler reads and drops.</summary>
/// <remarks>
/// A head that arrives belongs to the request that was written last. Who that is shows only while it is written: connections are opened in
/// the name of one request and used for others. So the line is taken at the first write after a final head, in the writer's context, and
/// given up where the next final head begins; no body is ever looked at. Where anything is in doubt, heads are dropped.
/// </remarks>
internal sealed class InterimTap(Stream connection) : WatchedConnection(connection)
{
    private InterimLine? _line;

    // The reader's alone: the beginning of a head whose end has not come.
    private byte[]? _held;
    private int _heldCount;

    /// <inheritdoc/>
    public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        Attach();
        return Connection.WriteAsync(buffer, cancellationToken);
    }

    /// <inheritdoc/>
    public override void Write(byte[] buffer, int offset, int count)
    {
        Attach();
        Connection.Write(buffer, offset, count);
    }

    /// <inheritdoc/>
    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        var read = Connection.ReadAsync(buffer, cancellationToken);
        if (!read.IsCompletedSuccessfully)
        {
            return ReadLaterAsync(read, buffer);
        }

        var count = read.Result;
        Watch(buffer.Span[..count]);
        return new ValueTask<int>(count);
    }

    /// <inheritdoc/>
    public override int Read(byte[] buffer, int offset, int count)
    {
        var read = Connection.Read(buffer, offset, count);
        Watch(buffer.AsSpan(offset, read));
        return read;
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            Volatile.Read(ref _line)?.Seal();
        }

        base.Dispose(disposing);
    }

    // Pooled, because a read is mostly begun before there is anything to read.
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<int> ReadLaterAsync(ValueTask<int> read, Memory<byte> buffer)
    {
        var count = await read.ConfigureAwait(false);
        Watch(buffer.Span[..count]);
        return count;
    }

    private void Attach()
    {
        var (line, current) = (Volatile.Read(ref _line), InterimHandler.Current);
        if (ReferenceEquals(line, current))
        {
            return; // nobody's request, or more of the one that is known
        }

        if (line is not null)
        {
            line.Seal(); // another's request before the answer to this one: that cannot be
            return;
        }

        if (current!.TryClaim(this))
        {
            Volatile.Write(ref _line, current);
        }
    }

    private void Watch(ReadOnlySpan<byte> bytes)
    {
        if (!bytes.IsEmpty && Volatile.Read(ref _line) is { } line && !TryFollow(line, bytes))
        {
            line.Seal(); // first, so that a body still being written cannot take it up again
            Volatile.Write(ref _line, null);
            _heldCount = 0;
            if (_held is { } held)
            {
                _held = null;
                ArrayPool<byte>.Shared.Return(held);
            }
        }
    }

    // False where the final head has begun, or nothing more may be taken.
    private bool TryFollow(InterimLine line, ReadOnlySpan<byte> bytes)
    {
        if (_heldCount == 0 && bytes.Length >= InterimHead.Known && InterimHead.Status(bytes) is null)
        {
            return false; // the ordinary case
        }

        _held ??= ArrayPool<byte>.Shared.Rent(InterimRelay.MaxBytes);
        while (!bytes.IsEmpty)
        {
            var part = bytes[..Math.Min(bytes.Length, InterimRelay.MaxBytes - _heldCount)];
            if (part.IsEmpty)
            {
                return false;
            }

            part.CopyTo(_held.AsSpan(_heldCount));
            bytes = bytes[part.Length..];
            var heads = _held.AsSpan(0, _heldCount + part.Length);
            while (heads.Length >= InterimHead.Known)
            {
                if (InterimHead.Status(heads) is null)
                {
                    return false;
                }

                var end = heads.IndexOf("\r\n\r\n"u8) + 4;
                if (end < 4)
                {
                    break;
                }

                if (!line.Take(this, heads[..end]))
                {
                    return false;
                }

                heads = heads[end..];
            }

            heads.CopyTo(_held);
            _heldCount = heads.Length;
        }

        return true;
    }
}
