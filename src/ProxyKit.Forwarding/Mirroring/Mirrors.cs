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
            if (exchange.Context.Request.ContentLength > options.MaxBodyBytes || !await TryReadAsync(exchange, source))
            {
                metrics.Mirrored(options.Pool, "too_large");
                return;
            }

            body = source.Whole?.ToArray();
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

        // Made here, while the client's request is surely there to be read.
        var content = body is null ? null : new ByteArrayContent(body);
        var plan = forwarder.Plan;
        var request = RequestMessage.Create(exchange.Context, plan, lease.Member, content, exchange.IsGrpc);
        request.RequestUri = RequestMessage.Address(lease.Member.Destination, exchange.Path + exchange.Query);
        metrics.Mirrored(options.Pool, "sent");
        _ = RunAsync(options, plan, lease, request);
    }

    private static async ValueTask<bool> TryReadAsync(Exchange exchange, BodySource source)
    {
        try
        {
            return await source.TryReadAllAsync(exchange.Context.RequestAborted);
        }
        catch (Exception fault) when (fault is IOException or OperationCanceledException or BadHttpRequestException)
        {
            return false; // the request's own attempt meets the same and says so
        }
    }

    private async Task RunAsync(MirrorOptions options, PoolPlan plan, Lease lease, HttpRequestMessage request)
    {
        await Task.Yield();
        using var deadline = new CancellationTokenSource(options.Timeout, time);
        try
        {
            using var response = await plan.Client.SendAsync(request, deadline.Token);
            lease.Report(OutcomeKind.Answered, (int)response.StatusCode);
            await response.Content.CopyToAsync(Stream.Null, deadline.Token);
        }
        catch (Exception fault) when (fault is HttpRequestException or IOException or OperationCanceledException)
        {
            lease.Report(deadline.IsCancellationRequested ? OutcomeKind.TimedOut : OutcomeKind.Broken);
        }
        finally
        {
            lease.Dispose();
            request.Dispose();
            Interlocked.Decrement(ref _running);
        }
    }
}
