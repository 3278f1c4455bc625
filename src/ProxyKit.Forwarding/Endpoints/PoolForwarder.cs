using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.ObjectPool;

namespace ProxyKit.Forwarding;

/// <summary>Forwards requests to one pool: picks, sends, tries again where it may, and relays the answer.</summary>
/// <remarks>
/// An answer is held in hand before anything is said to the client: it is relayed, or dropped and another member asked.
/// </remarks>
internal sealed partial class PoolForwarder : IDisposable
{
    private readonly PoolPlans _plans;
    private readonly TimeProvider _time;
    private readonly ForwardingMetrics _metrics;
    private readonly ILogger _logger;
    private readonly ObjectPool<Deadline> _deadlines;
    private readonly Lock _renewing = new();
    private PoolPlan _plan;
    private bool _removed;
    private int _empty; // 1 while nobody can serve

    public PoolForwarder(Pool pool, PoolPlans plans, TimeProvider time, ForwardingMetrics metrics, ObjectPool<Deadline> deadlines, ILogger logger)
    {
        (Pool, _plans, _time, _metrics, _deadlines, _logger) = (pool, plans, time, metrics, deadlines, logger);
        _plan = plans.Compile(pool, null);
    }

    public Pool Pool { get; }

    /// <summary>The pool's settings made ready, anew where they have changed.</summary>
    public PoolPlan Plan
    {
        get
        {
            var plan = Volatile.Read(ref _plan);
            return ReferenceEquals(plan.Settings, Pool.Snapshot.Settings) ? plan : Renew();
        }
    }

    public async Task ForwardAsync(HttpContext context, PoolRoute route)
    {
        var plan = Plan;
        var (path, query) = RequestMessage.Target(context);
        if ((Refusal(context, route) ?? Rewritten(context, route, path, query)) is { } refusal)
        {
            _metrics.Refused(Pool.Name, refusal.Status, refusal.Reason);
            await Problem.WriteAsync(context, refusal.Status, refusal.Detail, close: refusal.Reason == "framing");
            return;
        }

        var began = _time.GetTimestamp();
        plan.Budget.Deposit(began);
        var timeouts = route.Timeouts ?? plan.Timeouts;
        using var exchange = new Exchange(context, route, plan, timeouts, began)
        {
            Total = Deadline.After(_time, began, timeouts.Total),
            Path = path,
            Query = query,
            IsGrpc = IsGrpcRequest(context.Request),
            IsRepeatable = RetryRule.IsIdempotent(context.Request.Method) || context.Request.Headers.ContainsKey("Idempotency-Key"),
            Key = (route.Key ?? plan.Key)?.Of(context),
            Session = plan.Stickiness?.Find(context, Pool.Snapshot) ?? default,
            Upgrade = Upgrade.Wanted(context),
            Client = plan.Client.TryHold() ? plan.Client : Hold().Client, // last, as the user's key may throw
        };
        if (exchange.Upgrade is { } upgrade)
        {
            await UpgradeAsync(exchange, upgrade);
            return;
        }

        PrepareBody(exchange);
        exchange.Interim = InterimRelay.For(context, route, plan);
        if (route.Mirror is { } mirror)
        {
            await _plans.Mirrors.SendAsync(mirror, exchange);
        }

        Attempt? attempt = null;
        var refused = PickStatus.Picked;
        try
        {
            try
            {
                if (plan.Resilience is { } pipeline)
                {
                    attempt = await AskThroughAsync(pipeline, exchange);
                }
                else
                {
                    // AskAsync, written out: nearly every request ends with its first attempt, and each method between costs a resumption.
                    (refused, var lease) = await PickAsync(exchange, first: true);
                    if (refused == PickStatus.Picked)
                    {
                        attempt = await TryAsync(exchange, lease, number: 1, CancellationToken.None);
                        if (MayAskAgain(exchange, attempt))
                        {
                            attempt = await AskAgainAsync(exchange, attempt, CancellationToken.None);
                        }
                    }
                }
            }
            finally
            {
                if (exchange.Interim is { } interim)
                {
                    await interim.CloseAsync(timeouts.WriteIdle, _time); // before anything else is said to the client, whatever it is
                }
            }
        }
        catch (RefusedException nobody)
        {
            await RefuseAsync(exchange, nobody.Status);
            return;
        }
        catch (PipelineException told)
        {
            await TellAsync(exchange, told);
            return;
        }

        if (attempt is null)
        {
            await RefuseAsync(exchange, refused);
            return;
        }

        var held = attempt; // null while another takes its place
        try
        {
            while (held is { Response: { } answer } && !await TryRelayAsync(exchange, held, answer))
            {
                (var broken, held) = (held, null);
                held = await AskInsteadAsync(exchange, broken);
            }

            if (held is { Response: null })
            {
                await FailAsync(exchange, held);
            }
        }
        finally
        {
            if (held is not null)
            {
                await EndAsync(exchange, held);
            }

            await exchange.Others; // hedges that lost have ended before the server uses the context again
        }
    }

    /// <summary>The plan and its client, held for one request.</summary>
    public (PoolPlan Plan, PoolClient Client) Hold()
    {
        while (true)
        {
            var plan = Plan;
            if (plan.Client.TryHold())
            {
                return (plan, plan.Client);
            }

            if (Volatile.Read(ref _removed))
            {
                return (plan, new PoolClient(plan.Client.Invoker)); // the pool is gone and has no member left to send to
            }
        }
    }

    /// <summary>The pool is gone.</summary>
    public void Dispose()
    {
        lock (_renewing)
        {
            Volatile.Write(ref _removed, true);
            _plan.Client.Retire();
        }
    }

    private static bool IsGrpcRequest(HttpRequest request) =>
        request.ContentType is { } type && type.StartsWith("application/grpc", StringComparison.OrdinalIgnoreCase) && HttpProtocol.IsHttp2(request.Protocol);

    private static (int Status, string Reason, string Detail)? Refusal(HttpContext context, PoolRoute route)
    {
        var target = context.Features.Get<IHttpRequestFeature>()?.RawTarget;
        if (string.IsNullOrEmpty(target))
        {
            return null; // not from a server: a test's or a cache's own context, whose path is what it is
        }

        if (HttpMethods.IsConnect(context.Request.Method) && context.Features.Get<IHttpExtendedConnectFeature>() is not { IsExtendedConnect: true })
        {
            return (405, "connect", "CONNECT asks for a tunnel, and this is a gateway to its own servers.");
        }

        if (target[0] != '/')
        {
            if (target == "*")
            {
                return (400, "target", "The asterisk-form asks about the server itself; ask for a path.");
            }

            // The absolute-form: the server has checked that its authority is the Host field's (RFC 9112 §3.2.2).
            var path = target.IndexOf("://", StringComparison.Ordinal) is > 0 and var scheme ? target.IndexOf('/', scheme + 3) : -1;
            target = path < 0 ? "/" : target[path..];
        }

        return TargetRule.Fault(target, route.AllowAmbiguousPaths) is { } fault ? (400, "target", fault)
            : FramingRule.Fault(context.Request) is (var status, var detail) ? (status, "framing", detail)
            : null;
    }

    // What a middleware, or the server's reading of the absolute-form, made of the target is judged like what came.
    private static (int Status, string Reason, string Detail)? Rewritten(HttpContext context, PoolRoute route, string path, string query) =>
        context.Features.Get<IHttpRequestFeature>()?.RawTarget is { } raw && raw.StartsWith(path, StringComparison.Ordinal) && raw.Length == path.Length + query.Length && raw.EndsWith(query, StringComparison.Ordinal)
            ? null
            : TargetRule.Fault(path + query, route.AllowAmbiguousPaths) is { } fault ? (400, "target", fault) : null;

    private PoolPlan Renew()
    {
        lock (_renewing)
        {
            if (!_removed && !ReferenceEquals(_plan.Settings, Pool.Snapshot.Settings))
            {
                var before = _plan;
                Volatile.Write(ref _plan, _plans.Compile(Pool, before));
                if (!ReferenceEquals(before.Client, _plan.Client))
                {
                    before.Client.Retire();
                }
            }

            return _plan;
        }
    }

    private static void PrepareBody(Exchange exchange)
    {
        var context = exchange.Context;
        if (context.Features.Get<IHttpRequestBodyDetectionFeature>() is not { CanHaveBody: true })
        {
            return;
        }

        if (context.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } size)
        {
            size.MaxRequestBodySize = exchange.Route.MaxRequestBodySize;
        }

        // Our own limits watch the body; the server's least rate would end a stream that rests.
        if (context.Features.Get<Microsoft.AspNetCore.Server.Kestrel.Core.Features.IHttpMinRequestBodyDataRateFeature>() is { } rate)
        {
            rate.MinDataRate = null;
        }

        var keep = exchange.Plan.Retries.Options is { MaxAttempts: > 1 } options ? options.MaxReplayBytes : 0;
        if (exchange.Route.Mirror is { } mirror)
        {
            keep = Math.Max(keep, mirror.MaxBodyBytes);
        }

        exchange.Body = new BodySource(context, context.Request.ContentLength > keep ? 0 : keep);
    }

    // The end of an exchange: nobody may read the client's body for it any more, and the deadline may serve another.
    private async ValueTask EndAsync(Exchange exchange, Attempt attempt)
    {
        attempt.Dispose();
        if (exchange.Body is { } body)
        {
            if (!body.IsIdle)
            {
                attempt.Deadline.Cancel();
            }

            await body.StopAsync();
        }

        _deadlines.Return(attempt.Deadline);
    }

    private Task RefuseAsync(Exchange exchange, PickStatus status)
    {
        if (exchange.Context.RequestAborted.IsCancellationRequested)
        {
            return LeftAsync(exchange.Context); // it left while it waited; that nobody was picked says nothing of the pool
        }

        var (reason, detail) = status switch
        {
            PickStatus.Full => ("full", "All servers hold as many requests as they may."),
            PickStatus.CircuitOpen => ("circuit_open", "Too many requests have failed of late; this one was not tried."),
            _ => ("no_destination", "No server can take the request now."),
        };
        _metrics.Refused(Pool.Name, StatusCodes.Status503ServiceUnavailable, reason);
        if (status == PickStatus.NoneLeft && Interlocked.Exchange(ref _empty, 1) == 0)
        {
            Log.NoDestination(_logger, Pool.Name); // once, not for each request: there may be thousands a second
        }

        return Problem.WriteAsync(
            exchange.Context,
            StatusCodes.Status503ServiceUnavailable,
            detail,
            status == PickStatus.Full && exchange.Plan.Limits is { QueueLength: > 0 } ? TimeoutKind.Queue : TimeoutKind.None);
    }

    // What the client is told where no destination answered (RFC 9110 §15.6.3 to §15.6.5).
    private Task FailAsync(Exchange exchange, Attempt attempt)
    {
        var context = exchange.Context;
        if (exchange.HeadFault is { } head)
        {
            _metrics.Refused(Pool.Name, head.StatusCode, "head");
            return Problem.WriteAsync(context, head.StatusCode, head.Message, close: true);
        }

        if (exchange.Body?.ClientFault is { } fault)
        {
            if (fault is not BadHttpRequestException && (attempt.Deadline.ClientLeft || context.RequestAborted.IsCancellationRequested || fault is ConnectionResetException or ConnectionAbortedException))
            {
                return LeftAsync(context);
            }

            var status = fault is BadHttpRequestException bad ? bad.StatusCode : StatusCodes.Status400BadRequest;
            _metrics.Refused(Pool.Name, status, "body");
            return Problem.WriteAsync(context, status, status == StatusCodes.Status413PayloadTooLarge ? "The body is larger than this route allows." : "The body did not arrive as announced.");
        }

        if (attempt.Refusal is { } refusal)
        {
            var refused = refusal as BadHttpRequestException;
            if (refused is null)
            {
                Log.TransformFailed(_logger, refusal, Pool.Name);
            }

            _metrics.Refused(Pool.Name, refused?.StatusCode ?? StatusCodes.Status500InternalServerError, "transform");
            return Problem.WriteAsync(context, refused?.StatusCode ?? StatusCodes.Status500InternalServerError, refused?.Message ?? "The gateway could not prepare the request or its answer.");
        }

        if (attempt.Deadline.ClientLeft)
        {
            return LeftAsync(context);
        }

        if (attempt.Deadline.IsOver)
        {
            _metrics.Refused(Pool.Name, StatusCodes.Status503ServiceUnavailable, "shutdown");
            return Problem.WriteAsync(context, StatusCodes.Status503ServiceUnavailable, "The gateway is shutting down and cannot wait for a server any longer.");
        }

        var (code, reason, detail) = (attempt.Kind, attempt.Timeout) switch
        {
            (_, TimeoutKind.RequestBody) => (StatusCodes.Status408RequestTimeout, "timeout", $"The request's body stood still for {exchange.Timeouts.RequestBody}."),
            (_, TimeoutKind.Connect) => (StatusCodes.Status504GatewayTimeout, "timeout", $"No connection to a server was open within {exchange.Plan.Recipe.Connect}."),
            (_, TimeoutKind.Tls) => (StatusCodes.Status504GatewayTimeout, "timeout", $"No TLS handshake with a server was done within {exchange.Plan.Recipe.Tls}."),
            (_, TimeoutKind.FirstByte) => (StatusCodes.Status504GatewayTimeout, "timeout", $"No server began to answer within {exchange.Timeouts.FirstByte}."),
            (_, TimeoutKind.ReadIdle) => (StatusCodes.Status504GatewayTimeout, "timeout", $"The server began to answer and then sent nothing for {exchange.Timeouts.ReadIdle}."),
            (_, TimeoutKind.Total) => (StatusCodes.Status504GatewayTimeout, "timeout", $"The request was not done within {exchange.Timeouts.Total}."),
            (OutcomeKind.NotConnected, _) => (StatusCodes.Status502BadGateway, "not_connected", "No server could be reached."),
            _ => (StatusCodes.Status502BadGateway, "broken", "The server broke off or answered with something that is not HTTP."),
        };
        _metrics.Refused(Pool.Name, code, reason);
        return Problem.WriteAsync(context, code, detail, attempt.Timeout);
    }

    private static Task LeftAsync(HttpContext context)
    {
        context.Response.StatusCode = StatusCodes.Status499ClientClosedRequest; // for logs; nobody is there to read it
        return Task.CompletedTask;
    }

    /// <summary>There was nobody to ask.</summary>
    private sealed class RefusedException(PickStatus status) : Exception
    {
        public PickStatus Status { get; } = status;
    }

    private static partial class Log
    {
        [LoggerMessage(1, LogLevel.Warning, "Pool {Pool} has no destination that may serve; requests are refused with 503 until it has.", EventName = "NoDestination")]
        public static partial void NoDestination(ILogger logger, string pool);

        [LoggerMessage(6, LogLevel.Information, "Pool {Pool} can serve again.", EventName = "DestinationBack")]
        public static partial void DestinationBack(ILogger logger, string pool);

        [LoggerMessage(7, LogLevel.Warning, "The resilience pipeline of pool {Pool} failed.", EventName = "PipelineFailed")]
        public static partial void PipelineFailed(ILogger logger, Exception fault, string pool);

        [LoggerMessage(2, LogLevel.Debug, "Attempt {Attempt} at destination {Destination} of pool {Pool} ended {Outcome}; another is asked.", EventName = "Retrying")]
        public static partial void Retrying(ILogger logger, string destination, string pool, OutcomeKind outcome, int attempt);

        // No warning: there may be one for each request while a destination is down, and its health says that once.
        [LoggerMessage(3, LogLevel.Information, "Attempt {Attempt} at destination {Destination} of pool {Pool} ended {Outcome} ({Timeout}).", EventName = "AttemptFailed")]
        public static partial void Failed(ILogger logger, Exception? fault, string destination, string pool, OutcomeKind outcome, TimeoutKind timeout, int attempt);

        [LoggerMessage(5, LogLevel.Error, "A transform of a route to pool {Pool} failed.", EventName = "TransformFailed")]
        public static partial void TransformFailed(ILogger logger, Exception fault, string pool);

        [LoggerMessage(4, LogLevel.Warning, "The response of destination {Destination} of pool {Pool} broke midway ({Timeout}); the client's connection is cut, so that it does not take a part for the whole.", EventName = "BodyBroken")]
        public static partial void BodyBroken(ILogger logger, Exception? fault, string destination, string pool, TimeoutKind timeout);
    }
}
