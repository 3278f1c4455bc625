using System.Runtime.CompilerServices;

using Microsoft.AspNetCore.Http;

namespace ProxyKit.Forwarding;

// The loop of attempts: pick, send, and decide whether to relay or to ask another.
internal sealed partial class PoolForwarder
{
    /// <summary>Asks members until one gives an answer to relay, or no more may be asked. The last attempt is what the client is told.</summary>
    private async ValueTask<Attempt> AskAsync(Exchange exchange, CancellationToken outer = default)
    {
        var (status, lease) = await PickAsync(exchange, first: true);
        if (status != PickStatus.Picked)
        {
            throw new RefusedException(status);
        }

        var attempt = await TryAsync(exchange, lease, number: 1, outer);
        return MayAskAgain(exchange, attempt) ? await AskAgainAsync(exchange, attempt, outer) : attempt;
    }

    private ValueTask<Attempt> TryAsync(Exchange exchange, Lease lease, int number, CancellationToken outer) =>
        exchange.Plan.Hedging is { } hedging && exchange.IsRepeatable && exchange.Body is null && exchange.Upgrade is null
            ? TryHedgedAsync(exchange, lease, number, hedging, outer)
            : SendAsync(exchange, Begin(exchange, lease), number, outer);

    private async ValueTask<Attempt> TryHedgedAsync(Exchange exchange, Lease lease, int number, HedgeOptions hedging, CancellationToken outer)
    {
        var (attempt, others) = await HedgeAsync(exchange, lease, number, hedging, outer);
        attempt.Number = number + others;
        return attempt;
    }

    private static bool MayAskAgain(Exchange exchange, Attempt attempt) =>
        exchange.Plan.Retries.Allows(new EndedAttempt(attempt.Number, exchange.IsRepeatable, exchange.CanReplay, attempt.Kind, (int?)attempt.Response?.StatusCode))
        && !exchange.IsClientAtFault
        && attempt.Timeout != TimeoutKind.Total; // no time is left for another, which would only be blamed

    /// <summary>Asks others after the first attempt has failed, for as long as it may.</summary>
    private async ValueTask<Attempt> AskAgainAsync(Exchange exchange, Attempt attempt, CancellationToken outer)
    {
        var rules = exchange.Plan.Retries;
        while (MayAskAgain(exchange, attempt))
        {
            var number = attempt.Number;

            // Somebody else must be there to be asked before what this one said is dropped.
            exchange.MarkTried(attempt.Member);
            PickStatus status;
            Lease lease;
            try
            {
                (status, lease) = await PickNextAsync(exchange, attempt);
            }
            catch
            {
                await DropAsync(exchange, attempt); // a user's policy may throw
                throw;
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

            attempt = await TryAsync(exchange, lease, number + 1, outer);
        }

        return attempt;
    }

    private async ValueTask<(PickStatus Status, Lease Lease)> PickNextAsync(Exchange exchange, Attempt attempt)
    {
        if (attempt.Response is not null)
        {
            // An answer is in hand, if a bad one: nobody waits in a queue for a better, least of all while it holds a seat.
            var found = Pool.TryPick(out var other, exchange.Key, null, exchange.Tried.Span);
            return (found, other);
        }

        attempt.Lease.Dispose(); // its seat is free for others while this one waits for a seat elsewhere
        var (status, lease) = await PickAsync(exchange, first: false);
        if (status == PickStatus.NoneLeft)
        {
            // Those believed well have failed. One that is believed down may be back, as after a restart; it is a better guess than one that just failed.
            if (Pool.TryPickDoubted(out lease, exchange.Tried.Span))
            {
                return (PickStatus.Picked, lease);
            }

            // All were tried, and failed in ways that may have passed: they may be asked once more.
            exchange.ForgetTried();
            (status, lease) = await PickAsync(exchange, first: false);
        }

        return (status, lease);
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
            var snapshot = Pool.Snapshot;
            var member = exchange.Session.Member is { } known ? snapshot.Find(known.Hash) : null;
            if (member is { State: not MemberState.Off, IsDown: false })
            {
                return member;
            }

            if (stickiness.OnDeadMember != DeadMember.Wait || _time.GetTimestamp() >= until || exchange.Context.RequestAborted.IsCancellationRequested)
            {
                return null;
            }

            await snapshot.Replaced.WaitAsync(_time.GetElapsedTime(_time.GetTimestamp(), until), _time, exchange.Context.RequestAborted).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private Attempt Begin(Exchange exchange, Lease lease)
    {
        if (_empty != 0 && Interlocked.Exchange(ref _empty, 0) != 0)
        {
            Log.DestinationBack(_logger, Pool.Name);
        }

        var deadline = _deadlines.Get();
        deadline.Begin(exchange.Total, exchange.Context.RequestAborted);
        return new Attempt(lease, lease.Member, deadline);
    }

    /// <summary>One attempt, to the answer's head or the failure. It throws nothing: failures are ends like others.</summary>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<Attempt> SendAsync(Exchange exchange, Attempt attempt, int number, CancellationToken outer = default)
    {
        attempt.Number = number;
        var began = number == 1 ? exchange.Began : _time.GetTimestamp();
        using var link = outer.CanBeCanceled ? outer.UnsafeRegister(static state => ((Deadline)state!).Cancel(), attempt.Deadline) : default;
        Exception? fault = null;
        if (await MessageAsync(exchange, attempt, number) is not { } request)
        {
            attempt.Kind = OutcomeKind.Abandoned;
            attempt.Lease.Report(OutcomeKind.Abandoned);
            attempt.Activity?.Ended(OutcomeKind.Abandoned, null, attempt.Refusal);
            return attempt;
        }

        try
        {
            attempt.Deadline.Set(TimeoutKind.FirstByte, exchange.Timeouts.FirstByte);
            var response = await exchange.Client.Invoker.SendAsync(request, attempt.Deadline.Token);
            if (ResponseRule.Fault(response, exchange.Upgrade is not null) is { } nonsense)
            {
                response.Dispose();
                throw new HttpRequestException(HttpRequestError.InvalidResponse, nonsense);
            }

            (attempt.Response, attempt.Kind) = (response, OutcomeKind.Answered);
            exchange.Body?.MarkAnswered();
            attempt.Deadline.Set(TimeoutKind.ReadIdle, exchange.Timeouts.ReadIdle);
        }
        catch (Exception thrown) // handlers may be the user's and throw anything; the seat and the deadline must come back
        {
            exchange.HeadFault ??= thrown as BadHttpRequestException;
            (attempt.Kind, attempt.Timeout) = !exchange.IsClientAtFault ? Failure.Read(thrown, attempt.Deadline) : (OutcomeKind.Abandoned, TimeoutKind.None);
            if (attempt.Timeout == TimeoutKind.RequestBody)
            {
                attempt.Kind = OutcomeKind.Abandoned; // the client stood still, not the member
            }
            else if (attempt.Kind == OutcomeKind.Broken && !exchange.Plan.HasUserClient && Failure.IsUnsent(request))
            {
                attempt.Kind = OutcomeKind.NotConnected; // not where handlers are the user's: what they send need not be what they were given
            }

            fault = thrown;
        }

        attempt.Interim?.Seal();
        var status = (int?)attempt.Response?.StatusCode;
        attempt.Lease.Report(
            attempt.Kind,
            status,
            status == StatusCodes.Status503ServiceUnavailable ? ResponseRule.RetryAfter(attempt.Response!, exchange.Plan.Retries.Options, _time) : null,
            exchange.Plan.StateHeader is { } field && attempt.Response is { } told ? ResponseRule.Reported(told, field) : null);
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
    private async ValueTask<ForwardedRequest?> MessageAsync(Exchange exchange, Attempt attempt, int number)
    {
        try
        {
            return await MakeAsync(exchange, attempt, number);
        }
        catch (OperationCanceledException) when (attempt.Deadline.Reached != TimeoutKind.None)
        {
            attempt.Timeout = attempt.Deadline.Reached; // a transform that waited too long
            return null;
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

    private async ValueTask<ForwardedRequest> MakeAsync(Exchange exchange, Attempt attempt, int number)
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
            request.IsAscii = false; // they may add what they like
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

        request.RequestUri = exchange.Plan.Addresses.Of(destination, query.Length == 0 ? path : path + query);
        request.Interim = attempt.Interim = exchange.Interim?.Open();
        return request;
    }

    // What is dropped was not relayed: its answer goes, its seat is free, and nobody reads the client's body for it any more.
    private ValueTask DropAsync(Exchange exchange, Attempt attempt) => EndAsync(exchange, attempt);
}
