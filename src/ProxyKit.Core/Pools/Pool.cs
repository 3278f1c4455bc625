using System.Collections.Immutable;

namespace ProxyKit;

/// <summary>Interchangeable destinations under one name. It needs no host: tests and clients may hold one directly.</summary>
public sealed partial class Pool : IDisposable
{
    // How often a pick looks again where other threads took each seat that it saw.
    private const int Looks = 16;

    private readonly IOutcomeObserver[] _observers;
    private readonly ulong _seed;
    private readonly SeatQueue _queue;
    private readonly TaskCompletionSource _ready = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private PoolSnapshot _snapshot;
    private Task[] _holds = [];
    private long _picks;
    private long _draws;

    /// <summary>Creates a pool.</summary>
    /// <param name="name">What routes, logs and metrics call it.</param>
    /// <param name="destinations">What it starts with.</param>
    /// <param name="settings">How it is set up; <see cref="PoolSettings.Default"/> where null.</param>
    /// <param name="observers">Who learns how attempts end.</param>
    /// <param name="time">Its clock; the system's where null.</param>
    /// <param name="seed">What chance grows from: pools of the same seed make the same picks. Drawn where null.</param>
    /// <exception cref="ArgumentException">The destinations have faults; the message lists every one.</exception>
    public Pool(
        string name,
        IEnumerable<Destination> destinations,
        PoolSettings? settings = null,
        IEnumerable<IOutcomeObserver>? observers = null,
        TimeProvider? time = null,
        ulong? seed = null)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(name);
        ArgumentNullException.ThrowIfNull(destinations);
        Name = name;
        Time = time ?? TimeProvider.System;
        _observers = [.. observers ?? []];
        _queue = new SeatQueue(this);
        _seed = seed ?? unchecked((ulong)Random.Shared.NextInt64(long.MinValue, long.MaxValue));
        _snapshot = new PoolSnapshot([], settings: settings ?? PoolSettings.Default);
        Update(destinations, _snapshot.Settings, warm: true);
        if (_snapshot.Settings.Get<IDestinationSource>() is null)
        {
            _ready.TrySetResult();
        }
    }

    /// <summary>What routes, logs and metrics call it.</summary>
    public string Name { get; }

    /// <summary>The pool as it is now.</summary>
    public PoolSnapshot Snapshot => Volatile.Read(ref _snapshot);

    /// <summary>Requests that wait for a seat now.</summary>
    public int Waiting => _queue.Count;

    /// <summary>
    /// Done once the pool can take traffic: it has had its destinations, from the start or, where an <see cref="IDestinationSource"/> finds them,
    /// with the first set, and all that delays it (<see cref="HoldReady"/>) is over.
    /// </summary>
    public Task Ready => Task.WhenAll([_ready.Task, .. Volatile.Read(ref _holds)]);

    /// <summary>What packages keep about it.</summary>
    public Notes Notes { get; } = new();

    /// <summary>
    /// Raised when a member stands otherwise than before, in the order of the changes and while the pool can have no other: handlers are quick,
    /// wait for nothing and leave the pool as it is.
    /// </summary>
    public event EventHandler<MemberChange>? MemberChanged;

    /// <summary>Its clock.</summary>
    public TimeProvider Time { get; }

    /// <summary>Whether any member that may get new traffic has a seat free, or there is none to wait for.</summary>
    internal bool HasRoom
    {
        get
        {
            var available = Snapshot.Available;
            foreach (var member in available)
            {
                if (member.HasRoom)
                {
                    return true;
                }
            }

            return available.IsEmpty;
        }
    }

    /// <summary>Leases a member for one attempt. It waits for nothing and allocates nothing.</summary>
    /// <param name="lease">The lease, where the status says <see cref="PickStatus.Picked"/>.</param>
    /// <param name="key">See <see cref="PickRequest.Key"/>.</param>
    /// <param name="preferred">The member that the session sticks to: taken, without the policy being asked, if it may serve known sessions.</param>
    /// <param name="tried">Members that this request has been sent to before.</param>
    public PickStatus TryPick(out Lease lease, ulong? key = null, Member? preferred = null, ReadOnlySpan<Member> tried = default)
    {
        if (!Admits(tried))
        {
            lease = default;
            return PickStatus.CircuitOpen;
        }

        return PickAdmitted(out lease, key, preferred, tried);
    }

    /// <summary>
    /// Leases the least busy member that is believed to be down, for a request that all who were believed well have failed: beliefs lag behind what they are about.
    /// False where there is none, or where the pool is to fail fast (<see cref="PanicMode.FailFast"/>).
    /// </summary>
    /// <param name="lease">The lease.</param>
    /// <param name="tried">Members that this request has been sent to before.</param>
    public bool TryPickDoubted(out Lease lease, ReadOnlySpan<Member> tried)
    {
        var snapshot = Snapshot;
        Member? best = null;
        if (!snapshot.IsInPanic)
        {
            foreach (var member in snapshot.Members)
            {
                if (member is { State: MemberState.Active, IsDown: true, Weight: > 0, HasRoom: true } && !IsTried(member, tried) && (best is null || member.Load < best.Load))
                {
                    best = member;
                }
            }
        }

        var taken = best is not null && best.TryBegin(known: false);
        lease = taken ? Lease.Of(this, best!) : default;
        return taken;
    }

    /// <summary><see cref="TryPick"/> for a request that was let in, or waits since: only a breaker that has opened meanwhile keeps it out.</summary>
    internal PickStatus PickAdmitted(out Lease lease, ulong? key, Member? preferred, ReadOnlySpan<Member> tried)
    {
        var snapshot = Snapshot;
        if (snapshot.Admission == 0 && tried.IsEmpty)
        {
            lease = default;
            return PickStatus.CircuitOpen;
        }

        if (preferred is not null && Keeps(snapshot, preferred, tried) is { } kept && kept.TryBegin(known: true))
        {
            lease = Lease.Of(this, kept);
            return PickStatus.Picked;
        }

        // Another thread may take the seat between the look and the step; then look again, a few times at the most.
        var status = PickStatus.NoneLeft;
        for (var i = 0; i < Looks; i++)
        {
            var ticket = unchecked((ulong)Interlocked.Increment(ref _picks)) - 1;
            var member = snapshot.Picker.Pick(new PickRequest(ticket, WeightedDraw.Mix(_seed + ticket), key, tried));
            if (member is null)
            {
                if (WhyNone(snapshot, tried) is { } known)
                {
                    status = known;
                    break;
                }

                status = PickStatus.NoneLeft;
            }
            else if (member.TryBegin(known: false))
            {
                lease = Lease.Of(this, member);
                return PickStatus.Picked;
            }
            else
            {
                status = PickStatus.Full;
            }

            snapshot = Snapshot;
        }

        lease = default;
        return status;
    }

    /// <summary>Leases a member for one attempt, waiting in the pool's queue while all seats are taken (<see cref="LimitOptions"/>).</summary>
    /// <param name="key">See <see cref="PickRequest.Key"/>.</param>
    /// <param name="preferred">See <see cref="TryPick"/>.</param>
    /// <param name="tried">Members that this request has been sent to before.</param>
    /// <param name="cancellationToken">Gives the place in the queue up.</param>
    public ValueTask<(PickStatus Status, Lease Lease)> PickAsync(
        ulong? key = null, Member? preferred = null, ReadOnlyMemory<Member> tried = default, CancellationToken cancellationToken = default)
    {
        // Asked once for each request: who waits must not be drawn again with every seat that comes free.
        if (!Admits(tried.Span))
        {
            return new((PickStatus.CircuitOpen, default));
        }

        // Who comes now may not pass those who wait.
        var limits = Snapshot.Settings.Get<LimitOptions>();
        if (limits is null or { QueueLength: 0 } || _queue.Count == 0)
        {
            var status = PickAdmitted(out var lease, key, preferred, tried.Span);
            if (status != PickStatus.Full || limits is null or { QueueLength: 0 })
            {
                return new((status, lease));
            }
        }

        return new(WaitAsync(limits, key, preferred, tried, cancellationToken));
    }

    /// <summary>Delays <see cref="Ready"/> until <paramref name="until"/> is done, however it ends.</summary>
    public void HoldReady(Task until)
    {
        ArgumentNullException.ThrowIfNull(until);
        var hold = until.ContinueWith(static _ => { }, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
        lock (_publishing)
        {
            Volatile.Write(ref _holds, [.. _holds, hold]);
        }
    }

    /// <summary>Says whom the pool would pick now and why. It takes no turn and no seat.</summary>
    public PickExplanation Explain(ulong? key = null, Member? preferred = null, ReadOnlySpan<Member> tried = default)
    {
        var snapshot = Snapshot;
        var ticket = unchecked((ulong)Volatile.Read(ref _picks));
        var request = new PickRequest(ticket, WeightedDraw.Mix(_seed + ticket), key, tried);
        var isOpen = snapshot.Admission == 0 && tried.IsEmpty;
        var kept = preferred is null || isOpen ? null : Keeps(snapshot, preferred, tried);
        var chosen = isOpen ? null : kept ?? snapshot.Picker.Pick(request);
        var reason = isOpen ? "the circuit breaker is open"
            : kept is not null ? "the session sticks to it"
            : chosen is not null ? snapshot.Picker.Explain(request, chosen)
            : WhyNone(snapshot, tried) == PickStatus.Full ? "all that may serve are full" : "none is left that may serve";
        var candidates = ImmutableArray.CreateBuilder<PickCandidate>(snapshot.Members.Length);
        foreach (var member in snapshot.Members)
        {
            candidates.Add(new PickCandidate(member.Destination.Name, StandingOf(member, tried), member.Weight, member.Load));
        }

        return new PickExplanation(chosen?.Destination.Name, snapshot.Settings.Policy.GetType().Name, reason, candidates.MoveToImmutable());
    }

    /// <summary>Ends its timers, and what its notes keep. What is leased goes on.</summary>
    public void Dispose()
    {
        lock (_publishing)
        {
            _disposed = true;
            _warming?.Dispose();
            foreach (var place in _places.Values)
            {
                place.Pause?.Dispose();
            }
        }

        Notes.End();
        _ready.TrySetResult();
    }

    /// <inheritdoc/>
    public override string ToString() => Name;

    internal void Report(Member member, in Outcome outcome)
    {
        member.Learn(outcome);
        if (outcome.Kind == OutcomeKind.NotConnected)
        {
            Snapshot.Settings.Get<IDestinationSource>()?.Refresh();
        }

        if (outcome.RetryAfter is { } pause)
        {
            PassOver(member, pause);
        }

        foreach (var observer in _observers)
        {
            observer.OnOutcome(this, member, outcome);
        }
    }

    internal void Leave(Member member)
    {
        member.End();
        _queue.ServeOne();
    }

    /// <summary>There is nothing to wait for any more: its source has said all that it will.</summary>
    internal void SetReady() => _ready.TrySetResult();

    private async Task<(PickStatus Status, Lease Lease)> WaitAsync(
        LimitOptions limits, ulong? key, Member? preferred, ReadOnlyMemory<Member> tried, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        if (_queue.TryEnter(limits.QueueLength, key, preferred, tried) is not { } waiter)
        {
            return (PickStatus.Full, default);
        }

        using var deadline = new CancellationTokenSource(limits.QueueTimeout, Time);
        using var linked = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellationToken);
        try
        {
            return await waiter.Served.Task.WaitAsync(linked.Token);
        }
        catch (OperationCanceledException)
        {
            var served = _queue.Leave(waiter) ? (PickStatus.Full, default) : await waiter.Served.Task;
            if (cancellationToken.IsCancellationRequested)
            {
                served.Item2.Dispose(); // handed over just as the caller gave up: the next in line gets it
                cancellationToken.ThrowIfCancellationRequested();
            }

            return served;
        }
    }

    // A retry of what was admitted goes on. What is drawn here takes no turn from those who take turns.
    private bool Admits(ReadOnlySpan<Member> tried) =>
        Snapshot.Admission is var share && (share >= 1 || !tried.IsEmpty
            || (WeightedDraw.Mix(~_seed + unchecked((ulong)Interlocked.Increment(ref _draws))) >> 11) * (1.0 / (1UL << 53)) < share);

    // Null where an untried member has a seat free: it came free just now, or the policy wants none of those left.
    private static PickStatus? WhyNone(PoolSnapshot snapshot, ReadOnlySpan<Member> tried)
    {
        var untried = false;
        foreach (var member in snapshot.Available)
        {
            if (!IsTried(member, tried))
            {
                if (!member.HasRoom)
                {
                    return PickStatus.Full;
                }

                untried = true;
            }
        }

        return untried ? null : PickStatus.NoneLeft;
    }

    private static bool IsTried(Member member, ReadOnlySpan<Member> tried)
    {
        foreach (var other in tried)
        {
            if (other.IsSame(member))
            {
                return true;
            }
        }

        return false;
    }

    // A member that is down keeps its sessions only where the pool fails open, with nobody better to send them to.
    private static Member? Keeps(PoolSnapshot snapshot, Member preferred, ReadOnlySpan<Member> tried)
    {
        var member = snapshot.Find(preferred.Hash);
        return member is { State: not MemberState.Off, HasRoom: true } && !IsTried(member, tried) && (!member.IsDown || snapshot.Available.Contains(member))
            ? member
            : null;
    }

    private static string StandingOf(Member member, ReadOnlySpan<Member> tried) =>
        member.State != MemberState.Active ? member.State.ToString().ToLowerInvariant()
        : IsTried(member, tried) ? "tried"
        : member.Destination.Weight == 0 ? "weightless"
        : member.Standing is MemberStanding.Down or MemberStanding.Draining ? member.Standing.ToString().ToLowerInvariant()
        : !member.HasRoom ? "full"
        : member.Standing == MemberStanding.Active ? "available" : member.Standing.ToString().ToLowerInvariant();
}
