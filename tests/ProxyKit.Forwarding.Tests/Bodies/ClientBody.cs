using System.IO.Pipelines;

using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace ProxyKit.Forwarding.Tests;

/// <summary>A client's request whose body the test sends piece by piece.</summary>
internal sealed class ClientBody : IRequestBodyPipeFeature, IHttpRequestBodyDetectionFeature
{
    private readonly Pipe _pipe = new(new PipeOptions(readerScheduler: PipeScheduler.Inline, pauseWriterThreshold: 0, useSynchronizationContext: false));

    public ClientBody(string method = "PUT", long? length = null)
    {
        Context = Requests.From("203.0.113.9");
        Context.Request.Method = method;
        Context.Request.ContentLength = length;
        Context.Features.Set<IRequestBodyPipeFeature>(this);
        Context.Features.Set<IHttpRequestBodyDetectionFeature>(this);
    }

    public DefaultHttpContext Context { get; }

    public PipeReader Reader => field ??= new Watched(this, _pipe.Reader);

    /// <summary>Whether a read got a token that could end it, after which Kestrel would let nobody read.</summary>
    public bool WasGivenToken { get; private set; }

    /// <summary>What has ended the body, though a read that is under way does not know it yet.</summary>
    public Exception? Broken { get; set; }

    public bool CanHaveBody => true;

    public async Task SendAsync(string text) => await _pipe.Writer.WriteAsync(System.Text.Encoding.Latin1.GetBytes(text));

    public void End(Exception? fault = null) => _pipe.Writer.Complete(fault);

    private sealed class Watched(ClientBody body, PipeReader reader) : PipeReader
    {
        public override void AdvanceTo(SequencePosition consumed) => reader.AdvanceTo(consumed);

        public override void AdvanceTo(SequencePosition consumed, SequencePosition examined) => reader.AdvanceTo(consumed, examined);

        public override void CancelPendingRead()
        {
            if (body.Broken is { } fault)
            {
                throw fault; // as Kestrel's does
            }

            reader.CancelPendingRead();
        }

        public override void Complete(Exception? exception = null) => reader.Complete(exception);

        public override ValueTask<ReadResult> ReadAsync(CancellationToken cancellationToken = default)
        {
            body.WasGivenToken |= cancellationToken.CanBeCanceled;
            return reader.ReadAsync(cancellationToken);
        }

        public override bool TryRead(out ReadResult result) => reader.TryRead(out result);
    }
}

/// <summary>Where a body goes, as a destination's connection: it may break after some bytes, or take nothing until it is told to.</summary>
internal sealed class Sink : Stream
{
    private readonly MemoryStream _taken = new();

    public int BreakAfter { get; init; } = int.MaxValue;

    public Task Gate { get; init; } = Task.CompletedTask;

    public string Text => System.Text.Encoding.Latin1.GetString(_taken.ToArray());

    public override bool CanRead => false;

    public override bool CanSeek => false;

    public override bool CanWrite => true;

    public override long Length => throw new NotSupportedException();

    public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

    public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        await Gate;
        if (_taken.Length + buffer.Length > BreakAfter)
        {
            throw new IOException("The connection broke.");
        }

        await _taken.WriteAsync(buffer, cancellationToken);
    }

    public override async Task FlushAsync(CancellationToken cancellationToken)
    {
        await Gate;
        if (_taken.Length >= BreakAfter)
        {
            throw new IOException("The connection broke.");
        }
    }

    public override void Flush() => throw new NotSupportedException();

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
}
