using System.Text;

namespace ProxyKit.Testing;

/// <summary>A request as it reached a scripted backend.</summary>
public sealed class BackendRequest
{
    private readonly TaskCompletionSource<BackendRequest> _read = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private volatile byte[] _raw;
    private volatile byte[] _body = [];

    internal BackendRequest(string first, FieldList fields, byte[] head)
    {
        if (first.Split(' ') is not [var method, var target, "HTTP/1.1" or "HTTP/1.0"] || method.Length == 0 || target.Length == 0)
        {
            throw new InvalidDataException($"'{first}' is no request line.");
        }

        (Method, Target, Fields, _raw) = (method, target, fields, head);
        Head = Encoding.Latin1.GetString(head);
        Framing = BodyFraming.OfRequest(fields);
    }

    /// <summary>The method.</summary>
    public string Method { get; }

    /// <summary>The target as it stood on the wire.</summary>
    public string Target { get; }

    /// <summary>The fields of the head.</summary>
    public FieldList Fields { get; }

    /// <summary>The head as Latin-1, up to and with the empty line.</summary>
    public string Head { get; }

    /// <summary>The body without its framing, as far as it has been read.</summary>
    public ReadOnlyMemory<byte> Body => _body;

    /// <summary>The body as Latin-1.</summary>
    public string Text => Encoding.Latin1.GetString(_body);

    /// <summary>How the body ended; null while it has not been read.</summary>
    public BodyEnd? End { get; private set; }

    /// <summary>The trailers of a chunked body.</summary>
    public FieldList Trailers { get; private set; } = FieldList.Empty;

    /// <summary>Every byte of the request as it came: the head, and the body with its framing.</summary>
    public ReadOnlyMemory<byte> Bytes => _raw;

    /// <summary>Done when the body has been read, however it ended.</summary>
    public Task<BackendRequest> Read => _read.Task;

    internal BodyFraming Framing { get; }

    /// <summary>The field's values joined by ", "; null where there is none of that name.</summary>
    public string? this[string name] => Fields[name];

    /// <inheritdoc/>
    public override string ToString() => Encoding.Latin1.GetString(_raw);

    internal void Complete(byte[] body, byte[] raw, BodyEnd end, FieldList trailers)
    {
        (_body, _raw, End, Trailers) = (body, [.. _raw, .. raw], end, trailers);
        _read.TrySetResult(this);
    }
}
