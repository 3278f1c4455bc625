namespace ProxyKit.Forwarding;

// A slow first attempt gets company: the answer that comes first is relayed, the others are dropped.
internal sealed partial class PoolForwarder
{
    private readonly LatencyPercentile _slow = new(0.95);

    private async ValueTask<Attempt> HedgeAsync(Exchange exchange, Lease lease, int number, HedgeOptions hedging, CancellationToken outer)
    {
        var attempts = new List<Attempt>(hedging.MaxAttempts) { Begin(exchange, lease) };
        var running = new List<Task<Attempt>>(hedging.MaxAttempts) { SendAsync(exchange, attempts[0], number, outer).AsTask() };
        var delay = hedging.Delay > TimeSpan.Zero ? hedging.Delay : _slow.Value is { } slow ? (slow > Floor ? slow : Floor) : DelayUnknown;
        Attempt? failed = null;
        while (true)
        {
            var mayHedge = attempts.Count < hedging.MaxAttempts && !exchange.Context.RequestAborted.IsCancellationRequested;
            if (mayHedge && failed is null)
            {
                using var end = new CancellationTokenSource();
                var timer = Task.Delay(delay, _time, end.Token);
                if (await Task.WhenAny([timer, .. running]) == timer)
                {
                    mayHedge = await TryHedgeAsync(exchange, attempts, running, number, outer);
                }

                await end.CancelAsync();
            }

            if (running.Find(task => task.IsCompleted) is not { } done)
            {
                if (!mayHedge || failed is not null)
                {
                    await Task.WhenAny(running);
                }

                continue;
            }

            running.Remove(done);
            var attempt = await done;
            if (attempt.Response is { } response && !exchange.Plan.Retries.IsFailure((int)response.StatusCode))
            {
                if (attempt.Kind == OutcomeKind.Answered && attempts.Count == 1)
                {
                    _slow.Observe(_time.GetElapsedTime(exchange.Began));
                }

                attempts.Where(other => other != attempt && other != failed).ToList().ForEach(other => other.Deadline.Cancel());
                await DropOthersAsync(exchange, running, failed);
                return attempt;
            }

            // A failure is the last word only when nobody else is under way.
            if (failed is not null)
            {
                await DropAsync(exchange, failed);
            }

            failed = attempt;
            if (running.Count == 0)
            {
                return failed;
            }
        }
    }

    private static readonly TimeSpan Floor = TimeSpan.FromMilliseconds(10);
    private static readonly TimeSpan DelayUnknown = TimeSpan.FromSeconds(1); // until enough answers were seen

    private async ValueTask<bool> TryHedgeAsync(Exchange exchange, List<Attempt> attempts, List<Task<Attempt>> running, int number, CancellationToken outer)
    {
        Member[] busy = [.. exchange.Tried.Span, .. attempts.Select(attempt => attempt.Member)];
        if (Pool.TryPick(out var lease, exchange.Key, preferred: null, busy) != PickStatus.Picked)
        {
            return false;
        }

        if (!exchange.Plan.Budget.TryWithdraw())
        {
            lease.Dispose();
            _metrics.Retried(Pool.Name, "denied");
            return false;
        }

        _metrics.Retried(Pool.Name, "hedge");
        var hedge = Begin(exchange, lease);
        attempts.Add(hedge);
        running.Add(SendAsync(exchange, hedge, number + attempts.Count - 1, outer).AsTask());
        return true;
    }

    private async ValueTask DropOthersAsync(Exchange exchange, List<Task<Attempt>> running, Attempt? failed)
    {
        if (failed is not null)
        {
            await DropAsync(exchange, failed);
        }

        foreach (var loser in running)
        {
            // It was cancelled and is dropped when it has noticed: the client need not wait for that.
            _ = DropLaterAsync(exchange, loser);
        }
    }

    private async Task DropLaterAsync(Exchange exchange, Task<Attempt> loser)
    {
        var attempt = await loser;
        await DropAsync(exchange, attempt);
    }
}
