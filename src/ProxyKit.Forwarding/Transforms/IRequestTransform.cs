using Microsoft.AspNetCore.Http;

namespace ProxyKit.Forwarding;

/// <summary>Changes a request on its way to a destination. Applied once for each attempt, in the order of the route.</summary>
public interface IRequestTransform
{
    /// <summary>Changes <paramref name="context"/>. What is done is done to this attempt only.</summary>
    ValueTask ApplyAsync(RequestTransformContext context, CancellationToken cancellationToken);
}

/// <summary>Changes a response on its way to the client. Applied once, to the answer that is relayed.</summary>
public interface IResponseTransform
{
    /// <summary>Changes the headers or status of <see cref="ResponseTransformContext.HttpContext"/>'s response before they are sent.</summary>
    ValueTask ApplyAsync(ResponseTransformContext context, CancellationToken cancellationToken);
}

/// <summary>An outgoing request, its headers copied and the forwarding fields set.</summary>
public sealed class RequestTransformContext
{
    /// <summary>The client's request.</summary>
    public required HttpContext HttpContext { get; init; }

    /// <summary>What will be sent; its <c>RequestUri</c> is made from <see cref="Path"/> and <see cref="Query"/> after the last transform.</summary>
    public required HttpRequestMessage Request { get; init; }

    /// <summary>Where it will be sent.</summary>
    public required Destination Destination { get; init; }

    /// <summary>The path as it will be sent, percent-encoded, beginning with <c>/</c>, without the destination's base path.</summary>
    public required string Path { get; set; }

    /// <summary>The query as it will be sent, with its <c>?</c>; empty where there is none.</summary>
    public required string Query { get; set; }
}

/// <summary>An answer that is about to be relayed, its headers copied to the client's response.</summary>
public sealed class ResponseTransformContext
{
    /// <summary>The client's request and response.</summary>
    public required HttpContext HttpContext { get; init; }

    /// <summary>What the destination said.</summary>
    public required HttpResponseMessage Response { get; init; }

    /// <summary>Who said it.</summary>
    public required Destination Destination { get; init; }
}
