using System.Net.Http.Headers;
using System.Runtime.CompilerServices;

using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.WebUtilities;
using Microsoft.Extensions.Primitives;

namespace ProxyKit.Forwarding;

// The answer's way to the client.
internal sealed partial class PoolForwarder
{
    /// <summary>Relays the answer, or says why there is none; false where it broke off before the client was told anything, so that another member may be asked.</summary>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<bool> TryRelayAsync(Exchange exchange, Attempt attempt, HttpResponseMessage answer)
    {
        var context = exchange.Context;
        try
        {
            if (!await TryRelayHeadAsync(exchange, attempt, answer))
            {
                await FailAsync(exchange, attempt);
                return true;
            }

            if (HasBody(context, answer))
            {
                var source = await answer.Content.ReadAsStreamAsync(attempt.Deadline.Token);
                if (ChunkedBody.Suits(context))
                {
                    await ChunkedBody.CopyAsync(source, context, answer, attempt.Deadline, exchange.Timeouts);
                }
                else
                {
                    await ResponseBody.CopyAsync(source, context.Response.BodyWriter, answer.Content.Headers.ContentLength, attempt.Deadline, exchange.Timeouts);
                    RelayTrailers(context, answer);
                }
            }

            // Said here and not left to the server: a body that another middleware has put in the server's place may never be flushed.
            await context.Response.CompleteAsync();
            return true;
        }
        catch (Exception fault) when (fault is IOException or HttpRequestException or OperationCanceledException or InvalidOperationException or ObjectDisposedException or FormatException)
        {
            return BreakOff(exchange, attempt, fault);
        }
    }

    private async ValueTask<bool> TryRelayHeadAsync(Exchange exchange, Attempt attempt, HttpResponseMessage answer)
    {
        try
        {
            CopyHead(exchange.Context, answer);
            if (_plans.Departure.Lifetime.IsLeaving)
            {
                Farewell.Say(exchange.Context);
            }
        }
        catch (InvalidOperationException fault)
        {
            // A field that the server does not take: a control character, a length beyond all numbers. The destination said it.
            attempt.Kind = OutcomeKind.Broken;
            attempt.Lease.Report(OutcomeKind.BodyBroken);
            Log.BodyBroken(_logger, fault, attempt.Member.Destination.Name, Pool.Name, TimeoutKind.None);
            return false;
        }

        try
        {
            await TransformAsync(exchange, attempt, answer);
            return true;
        }
        catch (Exception thrown) when (!exchange.Context.Response.HasStarted) // transforms are the user's and may throw anything
        {
            attempt.Refusal = thrown;
            return false;
        }
    }

    private static void CopyHead(HttpContext context, HttpResponseMessage answer)
    {
        var response = context.Response;
        response.StatusCode = (int)answer.StatusCode;
        if (HttpProtocol.IsHttp11(context.Request.Protocol) && answer.ReasonPhrase is { Length: > 0 } phrase && !phrase.AsSpan().ContainsAnyInRange('\0', '\u001f') && phrase != ReasonPhrases.GetReasonPhrase(response.StatusCode))
        {
            context.Features.GetRequiredFeature<IHttpResponseFeature>().ReasonPhrase = phrase;
        }

        var tokens = new ConnectionTokens(answer.Headers.NonValidated.TryGetValues("Connection", out var connection) ? Values(connection) : default);
        CopyHeaders(answer.Headers.NonValidated, response.Headers, tokens);
        CopyHeaders(answer.Content.Headers.NonValidated, response.Headers, tokens);
        if (response.StatusCode == StatusCodes.Status204NoContent)
        {
            response.ContentLength = null; // RFC 9110 §8.6; some servers send one, and a length other than 0 would never be met
        }
    }

    private static async ValueTask TransformAsync(Exchange exchange, Attempt attempt, HttpResponseMessage answer)
    {
        var context = exchange.Context;
        if (!exchange.Route.ResponseTransforms.IsEmpty)
        {
            var transform = new ResponseTransformContext { HttpContext = context, Response = answer, Destination = attempt.Member.Destination };
            foreach (var step in exchange.Route.ResponseTransforms)
            {
                await step.ApplyAsync(transform, attempt.Deadline.Token);
            }
        }

        // After the transforms, which are for what the destination said.
        exchange.Plan.Stickiness?.Commit(context, exchange.Session, attempt.Member, answer);
    }

    private static bool HasBody(HttpContext context, HttpResponseMessage answer) =>
        !HttpMethods.IsHead(context.Request.Method) && (int)answer.StatusCode is not (204 or 304) && answer.Content.Headers.ContentLength is not 0;

    // A part must never look like the whole: the client's connection or stream is cut. False where it has had no part yet.
    private bool BreakOff(Exchange exchange, Attempt attempt, Exception fault)
    {
        var context = exchange.Context;
        var timeout = attempt.Deadline.Reached;
        if (fault is not ClientGoneException && attempt.Deadline is { ClientLeft: false, IsOver: false } && timeout != TimeoutKind.WriteIdle && exchange.Body?.ClientFault is null && !context.RequestAborted.IsCancellationRequested)
        {
            attempt.Lease.Report(OutcomeKind.BodyBroken);
            Log.BodyBroken(_logger, fault, attempt.Member.Destination.Name, Pool.Name, timeout);
        }

        if (context.Response.HasStarted)
        {
            context.Abort();
            return true;
        }

        // Who sends something that is no body would do so again; only what was lost on the way is asked for elsewhere.
        var kind = fault is HttpIOException { HttpRequestError: HttpRequestError.InvalidResponse } ? OutcomeKind.BodyBroken : OutcomeKind.Broken;
        (attempt.Kind, attempt.Timeout) = (timeout == TimeoutKind.None ? kind : OutcomeKind.TimedOut, timeout);
        return false;
    }

    // A body that broke before the client had its first byte is a failure like one before the head: with HTTP/2, head and body often part on the way.
    private async ValueTask<Attempt> AskInsteadAsync(Exchange exchange, Attempt broken)
    {
        broken.Response?.Dispose();
        broken.Response = null;
        if (exchange.Body is not null || exchange.Plan.Resilience is not null || !MayAskAgain(exchange, broken))
        {
            return broken;
        }

        exchange.Context.Response.Clear(); // also of the cookie that was set for the one which broke
        return await AskAgainAsync(exchange, broken, CancellationToken.None);
    }

    private static void CopyHeaders(HttpHeadersNonValidated from, IHeaderDictionary to, in ConnectionTokens tokens)
    {
        var hasTokens = !tokens.IsEmpty;
        foreach (var (name, values) in from)
        {
            if (HopByHop.IsHopByHop(name) || (hasTokens && tokens.Contains(name)))
            {
                continue;
            }

            to[name] = values.Count == 1 ? new StringValues(values.ToString()) : Values(values);
        }
    }

    private static StringValues Values(in HeaderStringValues values)
    {
        if (values.Count == 1)
        {
            return values.ToString();
        }

        var lines = new string[values.Count];
        var count = 0;
        foreach (var value in values)
        {
            lines[count++] = value;
        }

        return lines;
    }

    private static void RelayTrailers(HttpContext context, HttpResponseMessage answer)
    {
        // Asked in this order, because an answer makes its trailers when they are first asked for.
        if (!context.Response.SupportsTrailers())
        {
            return;
        }

        var trailers = answer.TrailingHeaders.NonValidated;

        foreach (var (name, values) in trailers)
        {
            if (ChunkedBody.MayTrail(name))
            {
                context.Response.AppendTrailer(name, Values(values));
            }
        }
    }
}
