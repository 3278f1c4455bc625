using Microsoft.AspNetCore.Http;

namespace ProxyKit.Forwarding;

/// <summary>Sends copies of requests to other pools. Nobody waits for them, and their answers go nowhere.</summary>
internal sealed class Mirrors(PoolPlans plans, TimeProvider time, ForwardingMetrics metrics)
{
    private int _running;

    /// <summary>Sends a copy, if it may; the request's own way is not held up but for reading a small body whole.</summary>
    public async ValueTask SendAsync(MirrorOptions options, Exchange exchange)
    {
        if (options.Share < 1 && Random.Shared.NextDouble() >= options.Share)
        {
            return;
        }

        byte[]? body = null;
        if (exchange.Body is { } source)
        {
            // What is kept for retries may be more than is copied.
            var isWhole = !(exchange.Context.Request.ContentLength > options.MaxBodyBytes) && await TryReadAsync(exchange, source);
            if (!isWhole || source.Whole is not { } whole || whole.Length > options.MaxBodyBytes)
            {
                metrics.Mirrored(options.Pool, source.ClientFault is null ? "too_large" : "incomplete");
                return;
            }

            body = whole.ToArray();
        }

        if (Interlocked.Increment(ref _running) > options.MaxConcurrent)
        {
            Interlocked.Decrement(ref _running);
            metrics.Mirrored(options.Pool, "busy");
            return;
        }

        if (plans.TryFind(options.Pool) is not { } forwarder || forwarder.Pool.TryPick(out var lease, exchange.Key) != PickStatus.Picked)
        {
            Interlocked.Decrement(ref _running);
            metrics.Mirrored(options.Pool, "no_destination");
            return;
        }

        var (plan, client) = forwarder.Hold();
        HttpRequestMessage request;
        try
        {
            // Made here, while the client's request is surely there to be read.
            var content = body is not null ? new ByteArrayContent(body) : exchange.IsRepeatable ? null : (HttpContent)new EmptyContent();
            request = RequestMessage.Create(exchange.Context, plan, lease.Member, content, exchange.IsGrpc);
            request.RequestUri = RequestMessage.Address(lease.Member.Destination, exchange.Path + exchange.Query);
        }
        catch (Exception)
        {
            // The request's own attempt meets the same and says so; what was taken for the copy must not stay taken.
            client.Release();
            lease.Dispose();
            Interlocked.Decrement(ref _running);
            return;
        }

        metrics.Mirrored(options.Pool, "sent");
        _ = RunAsync(options, client, lease, request);
    }

    private async ValueTask<bool> TryReadAsync(Exchange exchange, BodySource source)
    {
        // A client that stands still meets the request's own limit once here and once more where the body is sent.
        using var limit = exchange.Timeouts.RequestBody > TimeSpan.Zero ? new CancellationTokenSource(exchange.Timeouts.RequestBody, time) : null;
        using var link = CancellationTokenSource.CreateLinkedTokenSource(exchange.Context.RequestAborted, limit?.Token ?? CancellationToken.None);
        try
        {
            return await source.TryReadAllAsync(link.Token);
        }
        catch (Exception fault) when (fault is IOException or OperationCanceledException or BadHttpRequestException)
        {
            return false; // the request's own attempt meets the same and says so
        }
    }

    private async Task RunAsync(MirrorOptions options, PoolClient client, Lease lease, HttpRequestMessage request)
    {
        await Task.Yield();
        using var deadline = new CancellationTokenSource(options.Timeout, time);
        try
        {
            using var response = await client.Invoker.SendAsync(request, deadline.Token);
            lease.Report(OutcomeKind.Answered, (int)response.StatusCode);
            await response.Content.CopyToAsync(Stream.Null, deadline.Token);
        }
        catch (Exception) // handlers may be the user's and throw anything; nobody waits to hear of it
        {
            lease.Report(deadline.IsCancellationRequested ? OutcomeKind.TimedOut : OutcomeKind.Broken);
        }
        finally
        {
            client.Release();
            lease.Dispose();
            request.Dispose();
            Interlocked.Decrement(ref _running);
        }
    }
}
