using Microsoft.AspNetCore.Http;

using Polly;

namespace ProxyKit.Forwarding;

// The loop of attempts: pick, send, and decide whether to relay or to ask another.
internal sealed partial class PoolForwarder
{
    /// <summary>Asks members until one gives an answer to relay, or no more may be asked. The last attempt is what the client is told.</summary>
    private async ValueTask<Attempt> AskAsync(Exchange exchange, CancellationToken outer = default)
    {
        var rules = exchange.Plan.Retries;
        var (status, lease) = await PickAsync(exchange, first: true);
        if (status != PickStatus.Picked)
        {
            throw new RefusedException(status);
        }

        for (var number = 1; ; number++)
        {
            var attempt = exchange.Plan.Hedging is { } hedging && exchange.IsRepeatable && exchange.Body is null
                ? await HedgeAsync(exchange, lease, number, hedging, outer)
                : await SendAsync(exchange, Begin(exchange, lease), number, outer);
            if (!rules.Allows(new EndedAttempt(number, exchange.IsRepeatable, exchange.CanReplay, attempt.Kind, (int?)attempt.Response?.StatusCode))
                || exchange.IsClientAtFault)
            {
                return attempt;
            }

            // Somebody else must be there to be asked before what this one said is dropped.
            exchange.MarkTried(attempt.Member);
            (status, lease) = await PickAsync(exchange, first: false);
            if (status == PickStatus.NoneLeft && attempt.Kind != OutcomeKind.Answered)
            {
                // All were tried, and failed in ways that may have passed: they may be asked once more.
                exchange.ForgetTried();
                (status, lease) = await PickAsync(exchange, first: false);
            }

            if (status != PickStatus.Picked)
            {
                return attempt;
            }

            if (!exchange.Plan.Budget.TryWithdraw())
            {
                lease.Dispose();
                _metrics.Retried(Pool.Name, "denied");
                return attempt;
            }

            _metrics.Retried(Pool.Name, "retry");
            Log.Retrying(_logger, attempt.Member.Destination.Name, Pool.Name, attempt.Kind, number);
            await DropAsync(exchange, attempt);
            if (rules.Backoff(number + 1, Random.Shared.NextDouble()) is { Ticks: > 0 } wait)
            {
                await Task.Delay(wait, _time, exchange.Context.RequestAborted).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
    }

    /// <summary>The same inside the user's own pipeline, which may repeat, hedge, break or limit it as a whole.</summary>
    private async ValueTask<Attempt> AskThroughAsync(ResiliencePipeline<HttpResponseMessage> pipeline, Exchange exchange)
    {
        // The pipeline's token dies with the callback, so it may end the search for an answer, but not the answer's body.
        Attempt? last = null;
        var context = ResilienceContextPool.Shared.Get(exchange.Context.RequestAborted);
        try
        {
            var outcome = await pipeline.ExecuteOutcomeAsync(
                async (resilience, state) =>
                {
                    if (last is not null)
                    {
                        await DropAsync(state, last);
                        last = null;
                        state.ForgetTried();
                    }

                    try
                    {
                        last = await AskAsync(state, resilience.CancellationToken);
                    }
                    catch (RefusedException refused)
                    {
                        return Polly.Outcome.FromException<HttpResponseMessage>(refused);
                    }

                    return last.Response is { } response
                        ? Polly.Outcome.FromResult(response)
                        : Polly.Outcome.FromException<HttpResponseMessage>(new HttpRequestException($"The attempt ended {last.Kind}."));
                },
                context,
                exchange);
            if (last is not null)
            {
                return last;
            }

            // The pipeline answered without asking anybody: an open circuit, a limiter.
            throw outcome.Exception as RefusedException ?? new RefusedException(PickStatus.NoneLeft);
        }
        finally
        {
            ResilienceContextPool.Shared.Return(context);
        }
    }

    private async ValueTask<(PickStatus Status, Lease Lease)> PickAsync(Exchange exchange, bool first)
    {
        var preferred = first ? exchange.Session.Member : null;
        if (first && exchange.Session.IsKnown && exchange.Plan.Stickiness is { OnDeadMember: not DeadMember.Redistribute } stickiness)
        {
            preferred = await ReviveAsync(exchange, stickiness);
            if (preferred is null)
            {
                return (PickStatus.NoneLeft, default);
            }
        }

        try
        {
            return await Pool.PickAsync(exchange.Key, preferred, exchange.Tried, exchange.Context.RequestAborted);
        }
        catch (OperationCanceledException)
        {
            return (PickStatus.NoneLeft, default); // the client left while it waited
        }
    }

    // The session's member if it can serve, now or, where the session may wait, before the wait is over.
    private async ValueTask<Member?> ReviveAsync(Exchange exchange, Stickiness stickiness)
    {
        var until = Deadline.After(_time, _time.GetTimestamp(), stickiness.MaxWait);
        while (true)
        {
            var member = exchange.Session.Member is { } known ? Pool.Snapshot.Find(known.Hash) : null;
            if (member is { State: not MemberState.Off, IsDown: false })
            {
                return member;
            }

            if (stickiness.OnDeadMember != DeadMember.Wait || _time.GetTimestamp() >= until || exchange.Context.RequestAborted.IsCancellationRequested)
            {
                return null;
            }

            await Task.Delay(TimeSpan.FromMilliseconds(50), _time, exchange.Context.RequestAborted).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private Attempt Begin(Exchange exchange, Lease lease)
    {
        var deadline = _deadlines.Get();
        deadline.Begin(exchange.Total, exchange.Context.RequestAborted);
        return new Attempt(lease, lease.Member, deadline);
    }

    /// <summary>One attempt, to the answer's head or the failure. It throws nothing: failures are ends like others.</summary>
    private async ValueTask<Attempt> SendAsync(Exchange exchange, Attempt attempt, int number, CancellationToken outer = default)
    {
        var began = number == 1 ? exchange.Began : _time.GetTimestamp();
        using var link = outer.CanBeCanceled ? outer.UnsafeRegister(static state => ((Deadline)state!).Cancel(), attempt.Deadline) : default;
        Exception? fault = null;
        if (await MessageAsync(exchange, attempt, number) is not { } request)
        {
            attempt.Kind = OutcomeKind.Abandoned;
            attempt.Lease.Report(OutcomeKind.Abandoned);
            return attempt;
        }

        try
        {
            attempt.Deadline.Set(TimeoutKind.FirstByte, exchange.Timeouts.FirstByte);
            var response = await exchange.Plan.Client.SendAsync(request, attempt.Deadline.Token);
            if (ResponseRule.Fault(response, exchange.Upgrade is not null) is { } nonsense)
            {
                response.Dispose();
                throw new HttpRequestException(HttpRequestError.InvalidResponse, nonsense);
            }

            (attempt.Response, attempt.Kind) = (response, OutcomeKind.Answered);
            exchange.Body?.MarkAnswered();
            attempt.Deadline.Set(TimeoutKind.ReadIdle, exchange.Timeouts.ReadIdle);
        }
        catch (Exception thrown) when (thrown is HttpRequestException or IOException or OperationCanceledException or InvalidOperationException or ObjectDisposedException or FormatException)
        {
            exchange.HeadFault ??= thrown as BadHttpRequestException;
            (attempt.Kind, attempt.Timeout) = !exchange.IsClientAtFault ? Failure.Read(thrown, attempt.Deadline) : (OutcomeKind.Abandoned, TimeoutKind.None);
            if (attempt.Timeout == TimeoutKind.RequestBody)
            {
                attempt.Kind = OutcomeKind.Abandoned; // the client stood still, not the member
            }

            fault = thrown;
        }

        attempt.Interim?.Seal();
        var status = (int?)attempt.Response?.StatusCode;
        attempt.Lease.Report(attempt.Kind, status, status == StatusCodes.Status503ServiceUnavailable ? ResponseRule.RetryAfter(attempt.Response!, exchange.Plan.Retries.Options, _time) : null);
        if (fault is not null && attempt.Kind != OutcomeKind.Abandoned)
        {
            Log.Failed(_logger, fault, attempt.Member.Destination.Name, Pool.Name, attempt.Kind, attempt.Timeout, number);
        }

        if (_metrics.MeasuresAttempts)
        {
            _metrics.AttemptEnded(Pool.Name, attempt.Member.Destination.Name, attempt.Kind, status, _time.GetElapsedTime(began));
        }

        attempt.Activity?.Ended(attempt.Kind, status, fault);
        return attempt;
    }

    // Null where a transform refused the request, or failed: nothing was sent, and no member is to blame.
    private async ValueTask<HttpRequestMessage?> MessageAsync(Exchange exchange, Attempt attempt, int number)
    {
        try
        {
            return await MakeAsync(exchange, attempt, number);
        }
        catch (Exception thrown) when (!attempt.Deadline.ClientLeft) // transforms are the user's and may throw anything
        {
            attempt.Refusal = thrown;
            return null;
        }
        catch (Exception)
        {
            return null;
        }
    }

    private async ValueTask<HttpRequestMessage> MakeAsync(Exchange exchange, Attempt attempt, int number)
    {
        var content = exchange.Body is { } body ? new RequestContent(body, attempt.Deadline, exchange.Timeouts)
            : exchange.IsRepeatable ? null : (HttpContent)new EmptyContent();
        var destination = attempt.Member.Destination;
        var request = RequestMessage.Create(exchange.Context, exchange.Plan, attempt.Member, content, exchange.IsGrpc);
        if (exchange.Upgrade is not null)
        {
            ToHandshake(exchange, attempt, request);
        }

        if (ForwardingMetrics.Source.HasListeners())
        {
            attempt.Activity = AttemptActivity.Start(exchange.Context.Request.Method, Pool.Name, destination, number, request);
        }

        var (path, query) = (exchange.Path, exchange.Query);
        if (!exchange.Route.RequestTransforms.IsEmpty)
        {
            var transform = new RequestTransformContext { HttpContext = exchange.Context, Request = request, Destination = destination, Path = path, Query = query };
            foreach (var step in exchange.Route.RequestTransforms)
            {
                await step.ApplyAsync(transform, attempt.Deadline.Token);
            }

            (path, query) = (transform.Path, transform.Query);
            if (path.Length == 0 || path[0] != '/' || TargetRule.Fault(path + query, exchange.Route.AllowAmbiguousPaths) is not null)
            {
                throw new BadHttpRequestException("The path that was made of the request's may not be sent.");
            }
        }

        request.RequestUri = RequestMessage.Address(destination, query.Length == 0 ? path : path + query);
        request.Interim = attempt.Interim = exchange.Interim?.Open();
        return request;
    }

    // What is dropped was not relayed: its answer goes, its seat is free, and nobody reads the client's body for it any more.
    private ValueTask DropAsync(Exchange exchange, Attempt attempt) => EndAsync(exchange, attempt);
}
