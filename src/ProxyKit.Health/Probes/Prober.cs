using System.Diagnostics.Metrics;

using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace ProxyKit.Health;

/// <summary>Probes the destinations of a pool for as long as it lives. A host does that by itself; this is for pools without one.</summary>
/// <example>
/// <code>
/// using var pool = new Pool("orders", destinations, PoolSettings.Default.WithProbe(new HttpProbe("/healthz")));
/// await using var prober = Prober.Start(pool);
/// </code>
/// </example>
public sealed class Prober : IAsyncDisposable
{
    // A lock of the pool is taken under this one (Believe) and never the other way round: what the pool raises is taken up later, elsewhere.
    private readonly Lock _lock = new();
    private readonly Pool _pool;
    private readonly Func<Probing, HttpClient> _clients;
    private readonly bool _ownsClients;
    private readonly ProbeMetrics? _metrics;
    private readonly ILogger _logger;
    private readonly long _origin;
    private readonly ProbeSchedule _schedule = new();
    private readonly ITimer _timer;
    private readonly CancellationTokenSource _life = new();
    private readonly TaskCompletionSource _judged = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Task _following;
    private PoolSnapshot _taken;
    private TimeSpan? _armed;
    private Probing? _probing;
    private ProbeClient? _client;
    private ProbeClient.Recipe _recipe;

    internal Prober(Pool pool, Func<Probing, HttpClient> clients, bool ownsClients, ProbeMetrics? metrics, ILogger logger)
    {
        (_pool, _clients, _ownsClients, _metrics, _logger) = (pool, clients, ownsClients, metrics, logger);
        _taken = pool.Snapshot;
        _origin = pool.Time.GetTimestamp();
        if (pool.Snapshot.Settings.Get<Probing>() is { Options: { ProveFirst: true } or { WaitForFirst: true } })
        {
            pool.HoldReady(_judged.Task);
        }

        pool.MemberChanged += Hurry;

        // Whoever starts it is nobody's parent: neither a span nor a user goes along with probes.
        using var flow = ExecutionContext.IsFlowSuppressed() ? default : ExecutionContext.SuppressFlow();
        _timer = pool.Time.CreateTimer(static prober => ((Prober)prober!).Tick(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        _following = FollowAsync();
    }

    /// <summary>Starts to probe as the pool's settings say (<see cref="ProbeBuilderExtensions.WithProbe(PoolSettings, IProbe, ProbeOptions)"/>), now and after each change of them.</summary>
    /// <param name="pool">The pool.</param>
    /// <param name="client">What HTTP probes go through; one of its own where null.</param>
    /// <param name="meters">Where its measures go; nowhere where null.</param>
    /// <param name="logger">Where it tells of probes that throw what none should; nowhere where null.</param>
    public static Prober Start(Pool pool, HttpClient? client = null, IMeterFactory? meters = null, ILogger<Prober>? logger = null)
    {
        ArgumentNullException.ThrowIfNull(pool);
        return new(
            pool,
            client is null ? OwnClient : _ => client,
            ownsClients: client is null,
            meters is null ? null : new ProbeMetrics(meters),
            (ILogger?)logger ?? NullLogger.Instance);
    }

    /// <summary>Stops, and takes back what it believes of the destinations.</summary>
    public async ValueTask DisposeAsync()
    {
        await EndAsync();
        TakeBack(_pool.Snapshot);
    }

    internal static HttpClient OwnClient(Probing probing) => new(ProbeClient.NewHandler(ProbeClient.Recipe.Of(probing))) { Timeout = Timeout.InfiniteTimeSpan };

    /// <summary>Done when it has stopped, by itself only where it has failed.</summary>
    internal Task Following => _following;

    /// <summary>The snapshot that it goes by, and how many probes are under way.</summary>
    internal (PoolSnapshot Taken, int Running) Progress
    {
        get
        {
            lock (_lock)
            {
                return (_taken, _schedule.Targets.Count(target => target.State == ProbeTurn.Running));
            }
        }
    }

    /// <summary>Stops; what it believes stays.</summary>
    internal async Task EndAsync()
    {
        _pool.MemberChanged -= Hurry;
        await _life.CancelAsync();
        await _following.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        lock (_lock)
        {
            _schedule.Clear();
            _client?.Release();
            _client = null;
            _probing = null;
        }

        await _timer.DisposeAsync();
        _judged.TrySetResult();
    }

    private TimeSpan Now => _pool.Time.GetElapsedTime(_origin);

    private async Task FollowAsync()
    {
        while (!_life.IsCancellationRequested)
        {
            var snapshot = _pool.Snapshot;
            Take(snapshot);
            try
            {
                await snapshot.Replaced.WaitAsync(_life.Token);
            }
            catch (OperationCanceledException)
            {
                return;
            }
        }
    }

    private void Take(PoolSnapshot snapshot)
    {
        lock (_lock)
        {
            var (before, probing, now) = (_probing, snapshot.Settings.Get<Probing>(), Now);
            (_probing, _taken) = (probing, snapshot);
            if (probing is null)
            {
                _schedule.Clear();
                _client?.Release();
                _client = null;
                if (before is not null)
                {
                    TakeBack(snapshot);
                }

                _judged.TrySetResult();
                return;
            }

            if (!ReferenceEquals(before, probing))
            {
                var recipe = ProbeClient.Recipe.Of(probing);
                if (_client is null || recipe != _recipe)
                {
                    _client?.Release();
                    _client = new ProbeClient(() => _clients(probing), _ownsClients);
                    _recipe = recipe;
                }

                _schedule.Use(probing.Options, now);
            }

            _schedule.Take(snapshot.Members, now);
            Start(now);
            TellJudged();
        }
    }

    private void Tick()
    {
        lock (_lock)
        {
            _armed = null;
            Start(Now);
        }
    }

    private void Start(TimeSpan now)
    {
        if (_probing is not { } probing || _client is not { } client || _life.IsCancellationRequested)
        {
            return;
        }

        foreach (var target in _schedule.Start(now))
        {
            client.Hold();
            ThreadPool.UnsafeQueueUserWorkItem(static state => _ = state.Prober.ProbeAsync(state.Target, state.Probing, state.Client), (Prober: this, Target: target, Probing: probing, Client: client), preferLocal: false);
        }

        if (_schedule.NextDue is { } due && ProbeTiming.Tick(due, probing.Options) is var tick && (_armed is not { } armed || tick < armed))
        {
            // Timers count whole milliseconds: one that comes early would find nobody's turn come.
            _armed = tick;
            _timer.Change(TimeSpan.FromMilliseconds(Math.Ceiling(Math.Max(0, (tick - now).TotalMilliseconds))), Timeout.InfiniteTimeSpan);
        }
    }

    private async Task ProbeAsync(ProbeTarget target, Probing probing, ProbeClient client)
    {
        var began = _pool.Time.GetTimestamp();
        var result = await AskAsync(target, probing, client);
        client.Release();
        if (_life.IsCancellationRequested)
        {
            return;
        }

        var succeeded = false;
        _metrics?.Probed(_pool.Name, target.Member.Destination.Name, result.Status, _pool.Time.GetElapsedTime(began));
        lock (_lock)
        {
            var now = Now;
            try
            {
                if (!target.IsGone && _probing is { } current)
                {
                    target.Verdict = target.Verdict.After(result, current.Options);
                    Tell(target);
                    succeeded = result.Status == ProbeStatus.Healthy;
                }
            }
            finally
            {
                // Who hears of the change may throw: the next probe comes all the same.
                _schedule.Ended(target, result.Status is not (ProbeStatus.Unhealthy or ProbeStatus.Down), now);
                Start(now);
                TellJudged();
            }
        }

        // Outlier detection has a lock of its own.
        if (succeeded)
        {
            OutlierDetection.ProbeSucceeded(_pool, target.Member);
        }
    }

    private async Task<ProbeResult> AskAsync(ProbeTarget target, Probing probing, ProbeClient client)
    {
        if (target.Late is { IsCompleted: false })
        {
            return ProbeResult.Unhealthy($"{ProbeFailure.TimedOut(probing.Options.Timeout)}, nor since"); // its probe takes no notice that time is up; a second beside it is not started
        }

        var destination = target.Member.Destination;
        var activity = ProbeMetrics.Begin(_pool.Name, destination.Name);
        var (result, isBroken) = (default(ProbeResult), false);
        Task<ProbeResult>? asking = null;
        using var deadline = new CancellationTokenSource(probing.Options.Timeout, _pool.Time);
        await using var ending = _life.Token.UnsafeRegister(static deadline => ((CancellationTokenSource)deadline!).Cancel(), deadline);
        try
        {
            var context = new ProbeContext(destination)
            {
                Pool = _pool.Name,
                Time = _pool.Time,
                StateHeader = _pool.Snapshot.Settings.Get<StateHeaderOptions>(),
                MakeClient = () => client.Client,
            };
            var answer = probing.Probe.ProbeAsync(context, deadline.Token);
            if (answer.IsCompleted)
            {
                result = await answer;
            }
            else
            {
                asking = answer.AsTask();
                result = await asking.WaitAsync(deadline.Token);
            }
        }
        catch (Exception fault) // a user's probe may throw anything
        {
            var words = deadline.IsCancellationRequested ? ProbeFailure.TimedOut(probing.Options.Timeout) : ProbeFailure.Of(fault, probing.Options.Timeout);
            result = ProbeResult.Unhealthy(words ?? $"its probe failed: {fault.Message}");
            isBroken = words is null;
            if (isBroken && !target.IsBroken && !_life.IsCancellationRequested)
            {
                ProbeLog.Broken(_logger, fault, probing.Probe.GetType().Name, destination.Name, _pool.Name);
            }
        }

        if (asking is { IsCompleted: false })
        {
            target.Late = asking;
            _ = asking.ContinueWith(static late => late.Exception, CancellationToken.None, TaskContinuationOptions.OnlyOnFaulted | TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
        }

        target.IsBroken = isBroken;
        ProbeMetrics.End(activity, result);
        return result;
    }

    // The pool is asked only where it thinks otherwise.
    private void Tell(ProbeTarget target)
    {
        var (verdict, hash) = (target.Verdict, target.Member.Hash);
        var reason = verdict.Reason ?? "its probes succeed";
        if (!Differs(target.Member))
        {
            return;
        }

        // Its name may be another's since a moment ago, who was not asked.
        if (_pool.Snapshot.Find(hash) is { } member && member.IsSame(target.Member) && Differs(member))
        {
            _pool.Believe(member.Destination.Name, Probing.Source, verdict.Availability, reason);
        }

        bool Differs(Member member) => member.Beliefs.FirstOrDefault(belief => belief.Source == Probing.Source) is { } believed
            ? believed.Availability != verdict.Availability || believed.Reason != reason
            : verdict.Availability != Availability.Up;
    }

    private void TellJudged()
    {
        if (_judged.Task.IsCompleted)
        {
            return;
        }

        // Where a source has yet to name the destinations, there is nothing to have judged.
        var isKnown = !_taken.Members.IsEmpty || _taken.Settings.Get<IDestinationSource>() is null;
        if (isKnown && _schedule.Targets.All(target => target.Verdict.IsJudged))
        {
            _judged.TrySetResult();
        }
    }

    private void TakeBack(PoolSnapshot snapshot)
    {
        foreach (var member in snapshot.Members)
        {
            if (member.Beliefs.Any(belief => belief.Source == Probing.Source))
            {
                _pool.Believe(member.Destination.Name, Probing.Source, Availability.Up, "it is probed no more");
            }
        }
    }

    // Raised under the pool's lock, where nothing may wait for another.
    private void Hurry(object? sender, MemberChange change)
    {
        if (change is { After: MemberStanding.Down, Source: not Probing.Source })
        {
            ThreadPool.UnsafeQueueUserWorkItem(static state => state.Prober.Hurry(state.Destination), (Prober: this, change.Destination), preferLocal: false);
        }
    }

    private void Hurry(string destination)
    {
        lock (_lock)
        {
            var now = Now;
            _schedule.Hurry(destination, now);
            Start(now);
        }
    }
}

internal static partial class ProbeLog
{
    [LoggerMessage(1, LogLevel.Warning, "{Probe} failed to ask destination {Destination} of pool {Pool}, which counts as unhealthy; until it succeeds, that is not said again.", EventName = "ProbeBroken")]
    public static partial void Broken(ILogger logger, Exception fault, string probe, string destination, string pool);
}
