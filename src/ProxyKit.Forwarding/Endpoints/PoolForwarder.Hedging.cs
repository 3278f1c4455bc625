namespace ProxyKit.Forwarding;

// A slow first attempt gets company: the answer that comes first is relayed, the others are dropped.
internal sealed partial class PoolForwarder
{
    private static readonly TimeSpan Floor = TimeSpan.FromMilliseconds(10);
    private static readonly TimeSpan DelayUnknown = TimeSpan.FromSeconds(1); // until enough answers were seen

    private readonly LatencyPercentile _slow = new(0.95);

    /// <summary>Attempt <paramref name="number"/> and those that keep it company; with the last of them comes how many there were beside it.</summary>
    private async ValueTask<(Attempt Attempt, int Others)> HedgeAsync(Exchange exchange, Lease lease, int number, HedgeOptions hedging, CancellationToken outer)
    {
        // The first may have as much company as hedging allows; after that, retries and hedges together keep to the attempts of retries.
        var most = number == 1 ? hedging.MaxAttempts : Math.Min(hedging.MaxAttempts, exchange.Plan.Retries.Options.MaxAttempts - number + 1);
        var began = _time.GetTimestamp();
        var delay = hedging.Delay > TimeSpan.Zero ? hedging.Delay : _slow.Value is { } slow ? (slow > Floor ? slow : Floor) : DelayUnknown;
        var hedges = new Hedges(exchange, number, most);
        hedges.Add(this, lease, outer);
        Attempt? failed = null;
        while (true)
        {
            if (failed is null && hedges.MayGrow && !hedges.Running.Exists(task => task.IsCompleted))
            {
                using var end = new CancellationTokenSource();
                var timer = Task.Delay(delay, _time, end.Token);
                if (await Task.WhenAny([.. hedges.Running, timer]) == timer)
                {
                    TryHedge(hedges, outer);
                }

                await end.CancelAsync();
            }

            var done = await Task.WhenAny(hedges.Running);
            hedges.Running.Remove(done);
            var attempt = await done;
            if (attempt.Response is { } response && !exchange.Plan.Retries.IsFailure((int)response.StatusCode))
            {
                // Hedged or not: left out, the slow ones would make the percentile sink with each that is hedged.
                _slow.Observe(_time.GetElapsedTime(began));
            }
            else if (attempt.Kind is not OutcomeKind.Abandoned && hedges.Running.Count > 0)
            {
                // A failure is the last word only when nobody else is under way. The next is sent at once (gRPC A6), not after the delay.
                await DropFailedAsync(exchange, failed);
                failed = attempt;
                TryHedge(hedges, outer);
                continue;
            }

            await DropFailedAsync(exchange, failed);
            hedges.End(this);
            return (attempt, hedges.Count - 1);
        }
    }

    private void TryHedge(Hedges hedges, CancellationToken outer)
    {
        var exchange = hedges.Exchange;
        if (!hedges.MayGrow)
        {
            return;
        }

        // Only to somebody new: a second copy for the same member would but add to its load.
        if (Pool.TryPick(out var lease, exchange.Key, preferred: null, [.. exchange.Tried.Span, .. hedges.Members]) != PickStatus.Picked)
        {
            hedges.GrowNoMore();
        }
        else if (hedges.Members.Exists(member => member.IsSame(lease.Member)))
        {
            lease.Dispose();
            hedges.GrowNoMore();
        }
        else if (!exchange.Plan.Budget.TryWithdraw())
        {
            lease.Dispose();
            hedges.GrowNoMore();
            _metrics.Retried(Pool.Name, "denied");
        }
        else
        {
            _metrics.Retried(Pool.Name, "hedge");
            hedges.Add(this, lease, outer);
        }
    }

    private ValueTask DropFailedAsync(Exchange exchange, Attempt? failed)
    {
        if (failed is null)
        {
            return default;
        }

        exchange.MarkTried(failed.Member);
        return DropAsync(exchange, failed);
    }

    private async Task DropLaterAsync(Exchange exchange, Task<Attempt> loser) => await DropAsync(exchange, await loser);

    /// <summary>The attempts that are under way for one request.</summary>
    private sealed class Hedges(Exchange exchange, int number, int most)
    {
        private readonly Dictionary<Task<Attempt>, Deadline> _deadlines = [];
        private bool _isFull;

        public Exchange Exchange { get; } = exchange;

        public List<Task<Attempt>> Running { get; } = [];

        /// <summary>All that were asked, also those that have ended.</summary>
        public List<Member> Members { get; } = [];

        public int Count => Members.Count;

        public bool MayGrow => !_isFull && Count < most && !Exchange.Context.RequestAborted.IsCancellationRequested;

        public void GrowNoMore() => _isFull = true;

        public void Add(PoolForwarder forwarder, Lease lease, CancellationToken outer)
        {
            var attempt = forwarder.Begin(Exchange, lease);
            Members.Add(attempt.Member);
            var sending = forwarder.SendAsync(Exchange, attempt, number + Count - 1, outer).AsTask();
            Running.Add(sending);
            _deadlines.Add(sending, attempt.Deadline);
        }

        /// <summary>Cancels those that still run, which are dropped when they have noticed: the client need not wait for that.</summary>
        public void End(PoolForwarder forwarder)
        {
            foreach (var loser in Running)
            {
                // Theirs alone: the deadline of one that has ended may already serve another request.
                _deadlines[loser].Cancel();
                Exchange.Await(forwarder.DropLaterAsync(Exchange, loser));
            }
        }
    }
}
