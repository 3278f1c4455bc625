using System.IO.Pipelines;

using Microsoft.Extensions.Time.Testing;

namespace ProxyKit.Forwarding.Tests;

/// <summary>A tunnel between two ends that the test holds, under a clock that the test moves.</summary>
internal sealed class TunnelRun : IDisposable
{
    private readonly CancellationTokenSource _leaving = new();
    private readonly Deadline _deadline;

    public TunnelRun(bool isWebSocket = true, bool canEnd = false, TimeSpan? idle = null, Exception? disturbance = null)
    {
        (Client, Destination) = (new End { Disturbance = disturbance }, new End());
        _deadline = new Deadline.Source(Time).Create();
        _deadline.Begin(Deadline.Never, CancellationToken.None);
        var tunnel = new Tunnel(Client.Side(canEnd), Destination.Side(canEnd), _deadline, idle ?? TimeSpan.FromMinutes(10), isWebSocket);
        Ended = tunnel.RunAsync(CancellationToken.None, _leaving.Token);
    }

    public FakeTimeProvider Time { get; } = new();

    public End Client { get; }

    public End Destination { get; }

    /// <summary>Whether the client could be let go as usual, once it is over.</summary>
    public Task<bool> Ended { get; }

    public bool IsCut => _deadline.Token.IsCancellationRequested;

    public void Leave() => _leaving.Cancel();

    public void Dispose()
    {
        _deadline.Cancel();
        _leaving.Dispose();
    }

    /// <summary>One end, as whoever stands there sees it.</summary>
    internal sealed class End
    {
        private readonly Pipe _sent = new(new PipeOptions(pauseWriterThreshold: 0, useSynchronizationContext: false));
        private readonly Pipe _got = new(new PipeOptions(pauseWriterThreshold: 0, useSynchronizationContext: false));

        /// <summary>Whether the tunnel has said that nothing more comes.</summary>
        public bool IsTold { get; private set; }

        public TunnelSide Side(bool canEnd) => new(
            new Duplex(_sent.Reader.AsStream(), _got.Writer.AsStream(), this),
            canEnd
                ? () =>
                {
                    IsTold = true;
                    return _got.Writer.CompleteAsync().AsTask();
                }
        : null);

        public async Task SendAsync(byte[] bytes) => await _sent.Writer.WriteAsync(bytes);

        /// <summary>Nothing more comes from here.</summary>
        public void EndSending(Exception? fault = null) => _sent.Writer.Complete(fault);

        /// <summary>The next read of the tunnel fails so, once; none where null.</summary>
        public Exception? Disturbance { get; set; }

        /// <summary>Waits for exactly so many bytes.</summary>
        public async Task<byte[]> ReadAsync(int count)
        {
            var result = await _got.Reader.ReadAtLeastAsync(count).AsTask().WaitAsync(TimeSpan.FromSeconds(20));
            var bytes = System.Buffers.BuffersExtensions.ToArray(result.Buffer.Slice(0, Math.Min(count, result.Buffer.Length)));
            _got.Reader.AdvanceTo(result.Buffer.GetPosition(bytes.Length));
            return bytes;
        }

        /// <summary>What is there and was not read.</summary>
        public byte[] Rest()
        {
            if (!_got.Reader.TryRead(out var result))
            {
                return [];
            }

            var bytes = System.Buffers.BuffersExtensions.ToArray(result.Buffer);
            _got.Reader.AdvanceTo(result.Buffer.End);
            return bytes;
        }
    }

    private sealed class Duplex(Stream read, Stream write, End end) : Stream
    {
        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => true;

        public override long Length => throw new NotSupportedException();

        public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            if (end.Disturbance is { } fault)
            {
                end.Disturbance = null;
                return ValueTask.FromException<int>(fault);
            }

            return read.ReadAsync(buffer, cancellationToken);
        }

        public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default) => write.WriteAsync(buffer, cancellationToken);

        public override Task FlushAsync(CancellationToken cancellationToken) => write.FlushAsync(cancellationToken);

        public override void Flush() => throw new NotSupportedException();

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
    }
}
