namespace ProxyKit.Testing;

/// <summary>Says what a scripted backend does with one request. When it returns, what is left of the request is read and the next one awaited.</summary>
public delegate Task BackendAnswer(BackendExchange exchange);

/// <summary>One request at a scripted backend, and the means to answer it in whatever way. The head has been read, the body has not.</summary>
public sealed class BackendExchange
{
    internal BackendExchange(BackendConnection connection, BackendRequest request, int number) => (Connection, Request, Number) = (connection, request, number);

    /// <summary>The connection that it came over.</summary>
    public BackendConnection Connection { get; }

    /// <summary>The request.</summary>
    public BackendRequest Request { get; }

    /// <summary>Its number among the backend's requests, from 1.</summary>
    public int Number { get; }

    /// <summary>Reads the request's body; a second call does nothing.</summary>
    public async Task<BackendRequest> ReadBodyAsync()
    {
        if (Request.End is null)
        {
            using var body = new MemoryStream();
            using var raw = new MemoryStream();
            var (end, trailers) = await Connection.Reader.ReadBodyAsync(Request.Framing, body, raw, Connection.Stopping);
            Request.Complete(body.ToArray(), raw.ToArray(), end, trailers);
        }

        return Request;
    }

    /// <summary>Sends text as Latin-1.</summary>
    public Task WriteAsync(string text) => Connection.WriteAsync(text);

    /// <summary>Sends bytes.</summary>
    public Task WriteAsync(ReadOnlyMemory<byte> bytes) => Connection.WriteAsync(bytes);
}
