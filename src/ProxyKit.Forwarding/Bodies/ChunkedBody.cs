using System.Buffers;
using System.IO.Pipelines;
using System.Net.Http.Headers;
using System.Text;

using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core.Features;
using Microsoft.Net.Http.Headers;

namespace ProxyKit.Forwarding;

/// <summary>
/// Writes a response's body in chunks (RFC 9112 §7.1) with trailers at its end. The server does so itself, but without trailers; where
/// <c>Transfer-Encoding</c> is set, it leaves the body as it is.
/// </summary>
internal static class ChunkedBody
{
    private const int Piece = 32 * 1024;
    private const int SizeLine = 6; // four digits, of which zeros may lead, and CR LF

    /// <summary>Whether the answer that is ready in <paramref name="context"/> is to be written so: trailers are announced, and the client wants them.</summary>
    public static bool Suits(HttpContext context) =>
        context.Response.Headers.Trailer.Count > 0
        && context.Response.ContentLength is null
        && HttpProtocol.IsHttp11(context.Request.Protocol)
        && HopByHop.AsksForTrailers(context.Request.Headers.TE)

        // What is written must reach the connection as it is: the server's own body, with nobody before it who compresses or keeps what passes.
        && context.Features.Get<IHttpResponseBodyFeature>() is IHttpMinResponseDataRateFeature;

    /// <summary>Copies to the end. Where the source breaks off, what was written has no end either, and the connection must be cut.</summary>
    public static async ValueTask CopyAsync(Stream source, HttpContext context, HttpResponseMessage answer, Deadline deadline, TimeoutOptions timeouts)
    {
        context.Response.Headers.TransferEncoding = "chunked";
        var client = context.Response.BodyWriter;
        for (var isFirst = true; ; isFirst = false)
        {
            // Asking for nothing waits without holding a buffer; while it waits, the client has the head.
            var any = source.ReadAsync(Memory<byte>.Empty, deadline.Token);
            if (isFirst && !any.IsCompleted)
            {
                await ResponseBody.FlushAsync(client, deadline, timeouts);
            }

            await any;
            var memory = client.GetMemory(Piece);
            memory = memory[..Math.Min(memory.Length, Piece)];
            var count = await source.ReadAsync(memory[SizeLine..^2], deadline.Token);
            if (count == 0)
            {
                break;
            }

            Frame(memory.Span, count);
            client.Advance(SizeLine + count + 2);
            await ResponseBody.FlushAsync(client, deadline, timeouts);
        }

        client.Write("0\r\n"u8);
        WriteTrailers(client, answer.TrailingHeaders.NonValidated);
        client.Write("\r\n"u8);
        await ResponseBody.FlushAsync(client, deadline, timeouts); // the server does so at the end only for bodies that it frames
    }

    /// <summary>Whether a field may be a trailer: it may not frame or route (RFC 9110 §6.5.1).</summary>
    public static bool MayTrail(string name) =>
        !HopByHop.IsHopByHop(name)
        && !name.Equals(HeaderNames.ContentLength, StringComparison.OrdinalIgnoreCase)
        && !name.Equals(HeaderNames.Host, StringComparison.OrdinalIgnoreCase)
        && !name.Equals(HeaderNames.Trailer, StringComparison.OrdinalIgnoreCase);

    private static void Frame(Span<byte> chunk, int count)
    {
        for (var (at, left) = (3, count); at >= 0; at--, left >>= 4)
        {
            chunk[at] = "0123456789abcdef"u8[left & 15];
        }

        "\r\n"u8.CopyTo(chunk[4..]);
        "\r\n"u8.CopyTo(chunk[(SizeLine + count)..]);
    }

    // The server checks what it writes; here nobody does but us, and HTTP/2 can carry line ends.
    private static void WriteTrailers(PipeWriter client, HttpHeadersNonValidated trailers)
    {
        foreach (var (name, values) in trailers)
        {
            if (!HeaderText.IsToken(name) || !MayTrail(name))
            {
                continue;
            }

            foreach (var value in values)
            {
                if (HeaderText.IsValue(value))
                {
                    client.Write(Encoding.Latin1.GetBytes($"{name}: {value}\r\n"));
                }
            }
        }
    }
}
