using System.Net;

namespace ProxyKit.Forwarding;

/// <summary>What one attempt sends, and whether the handler has asked for it.</summary>
internal abstract class AttemptContent : HttpContent
{
    /// <summary>Whether it was asked for.</summary>
    public bool WasAsked { get; protected set; }
}

/// <summary>The client's body as content of one attempt.</summary>
internal sealed class RequestContent(BodySource body, Deadline deadline, TimeoutOptions timeouts) : AttemptContent
{
    /// <inheritdoc/>
    protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) => SerializeToStreamAsync(stream, context, CancellationToken.None);

    /// <inheritdoc/>
    protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context, CancellationToken cancellationToken)
    {
        WasAsked = true;
        return body.CopyToAsync(stream, deadline, timeouts, cancellationToken);
    }

    /// <inheritdoc/>
    protected override bool TryComputeLength(out long length)
    {
        length = body.Length ?? 0;
        return body.Length is not null;
    }
}

/// <summary>No body. Given to requests that may not be repeated: the handler repeats what has no content by itself when a kept connection breaks.</summary>
internal sealed class EmptyContent : AttemptContent
{
    /// <inheritdoc/>
    protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) => SerializeToStreamAsync(stream, context, CancellationToken.None);

    /// <inheritdoc/>
    protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context, CancellationToken cancellationToken)
    {
        WasAsked = true;
        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    protected override bool TryComputeLength(out long length)
    {
        length = 0;
        return true;
    }
}
