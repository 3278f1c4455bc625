using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Primitives;

namespace ProxyKit.Forwarding;

/// <summary>Judges how a request says where its body ends: what servers could read differently is refused.</summary>
/// <remarks>RFC 9112 §6.1. Kestrel itself takes any coding that ends in <c>chunked</c>, on HTTP/1.0 as well, and drops the field on HTTP/2.</remarks>
internal static class FramingRule
{
    /// <summary>The status and the words by which the request is refused; null where it is in order.</summary>
    public static (int Status, string Detail)? Fault(HttpRequest request)
    {
        var coding = request.Headers.TransferEncoding;
        return coding.Count == 0 ? null : Look(request, coding);
    }

    private static (int Status, string Detail)? Look(HttpRequest request, StringValues coding)
    {
        if (!HttpProtocol.IsHttp11(request.Protocol))
        {
            return (StatusCodes.Status400BadRequest, $"The request has Transfer-Encoding, which {request.Protocol} does not know.");
        }

        // Kestrel keeps a length that stands beside a coding under the first name.
        if (request.Headers.ContainsKey("X-Content-Length") || request.Headers.ContentLength is not null)
        {
            return (StatusCodes.Status400BadRequest, "The request has Transfer-Encoding and Content-Length; servers disagree on where it ends.");
        }

        return coding.Count == 1 && "chunked".Equals(coding[0], StringComparison.OrdinalIgnoreCase)
            ? null
            : (StatusCodes.Status501NotImplemented, "The request has a Transfer-Encoding other than 'chunked' alone.");
    }
}
