using Microsoft.AspNetCore.Http;

using Polly;
using Polly.Timeout;

namespace ProxyKit.Forwarding;

// The user's own pipeline around the attempts, which may repeat, hedge, break or limit them as a whole.
internal sealed partial class PoolForwarder
{
    private async ValueTask<Attempt> AskThroughAsync(ResiliencePipeline<HttpResponseMessage> pipeline, Exchange exchange)
    {
        // The pipeline's token dies with the callback, so it may end the search for an answer, but not the answer's body.
        var asked = new Asked();
        Polly.Outcome<HttpResponseMessage> outcome;
        var context = ResilienceContextPool.Shared.Get(exchange.Context.RequestAborted);
        try
        {
            outcome = await pipeline.ExecuteOutcomeAsync(
                static (resilience, state) => state.Forwarder.AskForPipelineAsync(state.Exchange, state.Asked, resilience.CancellationToken),
                context,
                (Forwarder: this, Exchange: exchange, Asked: asked));
        }
        catch (Exception thrown) // a strategy of the user's own
        {
            outcome = Polly.Outcome.FromException<HttpResponseMessage>(thrown);
        }
        finally
        {
            ResilienceContextPool.Shared.Return(context);
        }

        // Whoever is not the one that the pipeline chose is dropped, and so is whoever comes later.
        var chosen = asked.Close(outcome, out var others);
        foreach (var other in others)
        {
            await DropAsync(exchange, other);
        }

        return chosen
            ?? throw (outcome.Exception as RefusedException ?? (Exception)new PipelineException(outcome.Result, outcome.Exception));
    }

    private async ValueTask<Polly.Outcome<HttpResponseMessage>> AskForPipelineAsync(Exchange exchange, Asked asked, CancellationToken outer)
    {
        try
        {
            if (!asked.TryBegin(concurrently: exchange.Body is null, out var before))
            {
                return Polly.Outcome.FromException<HttpResponseMessage>(new InvalidOperationException("A request with a body is sent to one destination at a time."));
            }

            Attempt attempt;
            try
            {
                foreach (var last in before)
                {
                    await DropAsync(exchange, last);
                }

                attempt = await AskAsync(exchange, outer);
            }
            finally
            {
                asked.End();
            }

            if (!asked.TryKeep(attempt))
            {
                await DropAsync(exchange, attempt);
                return Polly.Outcome.FromException<HttpResponseMessage>(new OperationCanceledException());
            }

            return attempt.Response is { } response
                ? Polly.Outcome.FromResult(response)
                : Polly.Outcome.FromException<HttpResponseMessage>(new AttemptException(attempt));
        }
        catch (Exception thrown) // what is thrown inside a pipeline may not be seen by its strategies
        {
            return Polly.Outcome.FromException<HttpResponseMessage>(thrown);
        }
    }

    // The pipeline has the last word where it chose no attempt's answer.
    private async Task TellAsync(Exchange exchange, PipelineException told)
    {
        var context = exchange.Context;
        if (context.RequestAborted.IsCancellationRequested)
        {
            await LeftAsync(context);
        }
        else if (told.Answer is { } answer)
        {
            using (answer)
            {
                CopyHead(context, answer);
                await answer.Content.CopyToAsync(context.Response.Body, context.RequestAborted);
            }
        }
        else
        {
            var (status, reason, detail) = told.InnerException switch
            {
                TimeoutRejectedException => (StatusCodes.Status504GatewayTimeout, "timeout", "No server answered in time."),
                ExecutionRejectedException => (StatusCodes.Status503ServiceUnavailable, "rejected", "No request is sent on at present."), // an open circuit, a limiter
                _ => (StatusCodes.Status502BadGateway, "pipeline", "The request could not be sent on."),
            };
            if (status == StatusCodes.Status502BadGateway && told.InnerException is { } fault)
            {
                Log.PipelineFailed(_logger, fault, Pool.Name);
            }

            _metrics.Refused(Pool.Name, status, reason);
            await Problem.WriteAsync(context, status, detail);
        }
    }

    /// <summary>What the callback of one pipeline has in hand. Strategies may call it in turn, or at once.</summary>
    private sealed class Asked
    {
        private readonly Lock _lock = new();
        private readonly List<Attempt> _inHand = [];
        private int _running;
        private bool _closed;

        /// <summary>Begins another search; what earlier ones brought is to be dropped, unless it may still be chosen.</summary>
        public bool TryBegin(bool concurrently, out Attempt[] before)
        {
            lock (_lock)
            {
                before = [];
                if (_closed || (_running > 0 && !concurrently))
                {
                    return false;
                }

                if (_running++ == 0)
                {
                    before = [.. _inHand];
                    _inHand.Clear();
                }

                return true;
            }
        }

        public void End()
        {
            lock (_lock)
            {
                _running--;
            }
        }

        public bool TryKeep(Attempt attempt)
        {
            lock (_lock)
            {
                if (!_closed)
                {
                    _inHand.Add(attempt);
                }

                return !_closed;
            }
        }

        public Attempt? Close(in Polly.Outcome<HttpResponseMessage> outcome, out Attempt[] others)
        {
            var (answer, failed) = (outcome.Result, (outcome.Exception as AttemptException)?.Attempt);
            lock (_lock)
            {
                _closed = true;
                var chosen = _inHand.Find(attempt => answer is not null ? ReferenceEquals(attempt.Response, answer) : ReferenceEquals(attempt, failed));
                others = [.. _inHand.Where(attempt => attempt != chosen)];
                _inHand.Clear();
                return chosen;
            }
        }
    }

    /// <summary>An attempt without an answer, as strategies see it.</summary>
    private sealed class AttemptException(Attempt attempt) : HttpRequestException($"The attempt ended {attempt.Kind}.")
    {
        public Attempt Attempt { get; } = attempt;
    }

    /// <summary>The pipeline answered or refused by itself.</summary>
    private sealed class PipelineException(HttpResponseMessage? answer, Exception? fault) : Exception(null, fault)
    {
        public HttpResponseMessage? Answer { get; } = answer;
    }
}
