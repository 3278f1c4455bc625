using System.Net;

namespace ProxyKit.Balancing;

/// <summary>A response's content that ends the lease once the body was read to its end, broke, or was disposed.</summary>
internal sealed class BodyLease : HttpContent
{
    private readonly HttpContent _body;
    private readonly Lease _lease;

    private BodyLease(HttpContent body, Lease lease)
    {
        (_body, _lease) = (body, lease);
        foreach (var header in body.Headers.NonValidated)
        {
            Headers.TryAddWithoutValidation(header.Key, header.Value);
        }
    }

    /// <summary>A response dropped on the floor would else keep its seat for ever.</summary>
    ~BodyLease() => _lease.Dispose();

    /// <summary>Hands the lease over to the response's body; where there can be none, the lease ends at once.</summary>
    public static HttpResponseMessage Hold(Lease lease, HttpResponseMessage response)
    {
        if (response.RequestMessage?.Method == HttpMethod.Head
            || response.StatusCode is HttpStatusCode.NoContent or HttpStatusCode.NotModified
            || response.Content.Headers.ContentLength == 0)
        {
            lease.Dispose();
            return response;
        }

        response.Content = new BodyLease(response.Content, lease);
        return response;
    }

    protected override async Task<Stream> CreateContentReadStreamAsync() => Watch(await _body.ReadAsStreamAsync());

    protected override async Task<Stream> CreateContentReadStreamAsync(CancellationToken cancellationToken) => Watch(await _body.ReadAsStreamAsync(cancellationToken));

    protected override Stream CreateContentReadStream(CancellationToken cancellationToken) => Watch(_body.ReadAsStream(cancellationToken));

    protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) => SerializeToStreamAsync(stream, context, CancellationToken.None);

    protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context, CancellationToken cancellationToken)
    {
        await using var body = Watch(await _body.ReadAsStreamAsync(cancellationToken));
        await body.CopyToAsync(stream, cancellationToken);
    }

    protected override void SerializeToStream(Stream stream, TransportContext? context, CancellationToken cancellationToken)
    {
        using var body = Watch(_body.ReadAsStream(cancellationToken));
        body.CopyTo(stream);
    }

    protected override bool TryComputeLength(out long length)
    {
        length = 0;
        return false; // where the length is known, the header that was copied says it
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _body.Dispose();
            End();
        }

        base.Dispose(disposing);
    }

    private void End() => _lease.Dispose();

    private void Break(Exception fault)
    {
        if (fault is IOException or HttpRequestException)
        {
            _lease.Report(OutcomeKind.BodyBroken);
        }

        End();
    }

    private BodyStream Watch(Stream stream) => new(stream, this);

    /// <summary>The body as it is read. It may be written to as well: after an upgrade it is the connection.</summary>
    private sealed class BodyStream(Stream stream, BodyLease body) : Stream
    {
        public override bool CanRead => stream.CanRead;

        public override bool CanSeek => false;

        public override bool CanWrite => stream.CanWrite;

        public override long Length => throw new NotSupportedException();

        public override long Position
        {
            get => throw new NotSupportedException();
            set => throw new NotSupportedException();
        }

        public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

        public override int Read(Span<byte> buffer)
        {
            try
            {
                return Seen(stream.Read(buffer), buffer.Length);
            }
            catch (Exception fault)
            {
                body.Break(fault);
                throw;
            }
        }

        public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
            ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            try
            {
                return Seen(await stream.ReadAsync(buffer, cancellationToken), buffer.Length);
            }
            catch (Exception fault)
            {
                body.Break(fault);
                throw;
            }
        }

        public override void Write(byte[] buffer, int offset, int count) => stream.Write(buffer, offset, count);

        public override void Write(ReadOnlySpan<byte> buffer) => stream.Write(buffer);

        public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) => stream.WriteAsync(buffer, offset, count, cancellationToken);

        public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default) => stream.WriteAsync(buffer, cancellationToken);

        public override void Flush() => stream.Flush();

        public override Task FlushAsync(CancellationToken cancellationToken) => stream.FlushAsync(cancellationToken);

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override async ValueTask DisposeAsync()
        {
            await stream.DisposeAsync();
            await base.DisposeAsync();
        }

        protected override void Dispose(bool disposing)
        {
            if (disposing)
            {
                stream.Dispose();
                body.End();
            }

            base.Dispose(disposing);
        }

        private int Seen(int read, int wanted)
        {
            if (read == 0 && wanted > 0)
            {
                body.End();
            }

            return read;
        }
    }
}
