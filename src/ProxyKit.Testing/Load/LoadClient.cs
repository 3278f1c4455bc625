namespace ProxyKit.Testing;

/// <summary>Sends the requests of a load and says what came.</summary>
internal interface ILoadClient : IDisposable
{
    /// <summary>Sends one. It throws nothing: failures are ends like others.</summary>
    Task<LoadAnswer> SendAsync(LoadCall call, string id, string? cookie, CancellationToken cancellationToken);
}

/// <summary>What came of one request.</summary>
internal readonly record struct LoadAnswer(LoadEnd End, int? Status = null, string? Server = null, IReadOnlyList<string>? Cookies = null, long Received = 0, string? Fault = null)
{
    /// <summary>No head of an answer came.</summary>
    public static LoadAnswer None(Exception fault) => new(LoadEnd.Unanswered, Fault: fault is OperationCanceledException ? "no answer in time" : fault.Message);
}

/// <summary>Takes the body of an answer and compares it with what it must be.</summary>
internal sealed class LoadSink(LoadCall call) : Stream
{
    private bool _wrong;

    public long Count { get; private set; }

    /// <summary>What a body that ended as a whole one does is.</summary>
    public LoadEnd End => Count < call.AnswerBytes ? LoadEnd.Shortened : _wrong || Count > call.AnswerBytes ? LoadEnd.Wrong : LoadEnd.Served;

    public override bool CanRead => false;

    public override bool CanSeek => false;

    public override bool CanWrite => true;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    public override void Write(ReadOnlySpan<byte> buffer)
    {
        _wrong |= !call.Matches(Count, buffer);
        Count += buffer.Length;
    }

    public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

    public override void Flush()
    {
    }

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();
}
