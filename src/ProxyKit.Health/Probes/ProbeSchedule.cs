namespace ProxyKit.Health;

/// <summary>Whose turn it is to be probed. It knows no clock and starts nothing; whoever holds it asks at the times that it names, and not from two threads.</summary>
internal sealed class ProbeSchedule
{
    private readonly Dictionary<string, ProbeTarget> _targets = new(StringComparer.Ordinal);
    private readonly PriorityQueue<(ProbeTarget Target, int Turn), TimeSpan> _due = new();
    private readonly Lane _answering = new();
    private readonly Lane _failing = new();
    private ProbeOptions _options = new();
    private int _look;

    /// <summary>Those that are probed.</summary>
    public IReadOnlyCollection<ProbeTarget> Targets => _targets.Values;

    /// <summary>When the next turn is; null where none is known.</summary>
    public TimeSpan? NextDue
    {
        get
        {
            while (_due.TryPeek(out var next, out var at))
            {
                if (next.Target.IsWaiting(next.Turn))
                {
                    return at;
                }

                _due.Dequeue();
            }

            return null;
        }
    }

    /// <summary>Goes by other options from now on. Verdicts stay, and probes under way end as they are.</summary>
    public void Use(ProbeOptions options, TimeSpan now)
    {
        _options = options;
        foreach (var target in _targets.Values.Where(target => target.State == ProbeTurn.Waiting && target.Probes > 0))
        {
            Plan(target, now);
        }
    }

    /// <summary>Takes up who is there now. Those that are new are due at once, those that are gone or off are forgotten.</summary>
    public void Take(IEnumerable<Member> members, TimeSpan now)
    {
        _look++;
        foreach (var member in members)
        {
            if (member.State == MemberState.Off)
            {
                continue;
            }

            var name = member.Destination.Name;
            if (!_targets.TryGetValue(name, out var target) || !target.Member.IsSame(member))
            {
                target?.IsGone = true;
                _targets[name] = target = new ProbeTarget(member);
                Plan(target, now, now);
            }

            target.Member = member;
            target.Look = _look;
        }

        foreach (var (name, target) in _targets)
        {
            if (target.Look != _look)
            {
                target.IsGone = true;
                _targets.Remove(name);
            }
        }
    }

    /// <summary>Those whose turn it is, as far as there is room: each is under way until it is told that it <see cref="Ended"/>.</summary>
    public IReadOnlyList<ProbeTarget> Start(TimeSpan now)
    {
        while (NextDue is { } at && at <= now)
        {
            var (target, _) = _due.Dequeue();
            target.State = ProbeTurn.Next;
            LaneOf(target).Waiting.Enqueue(target);
        }

        List<ProbeTarget>? started = null;
        Start(_answering, now, ref started);
        Start(_failing, now, ref started);
        return started ?? (IReadOnlyList<ProbeTarget>)[];
    }

    /// <summary>The probe of one is over and its verdict taken up.</summary>
    public void Ended(ProbeTarget target, bool answered, TimeSpan now)
    {
        LaneOf(target).Running--;
        target.HasFailed = !answered;
        target.Probes++;
        Plan(target, now);
    }

    /// <summary>Somebody has doubts about a destination: it is probed within <see cref="ProbeOptions.FastInterval"/>.</summary>
    public void Hurry(string name, TimeSpan now)
    {
        if (_targets.TryGetValue(name, out var target) && target.State == ProbeTurn.Waiting && target.Due > now + _options.Faster)
        {
            Plan(target, now, now + _options.Faster);
        }
    }

    /// <summary>Forgets all.</summary>
    public void Clear() => Take([], TimeSpan.Zero);

    private void Start(Lane lane, TimeSpan now, ref List<ProbeTarget>? started)
    {
        while (lane.Running < _options.MaxConcurrent && lane.Waiting.TryDequeue(out var target))
        {
            if (!target.IsGone)
            {
                lane.Running++;
                target.State = ProbeTurn.Running;
                target.Started = now;
                (started ??= []).Add(target);
            }
        }
    }

    private void Plan(ProbeTarget target, TimeSpan now)
    {
        var interval = target.Verdict.IntervalOf(_options);
        var chance = target.NextChance();
        Plan(target, now, target.Verdict.Streak > 0
            ? ProbeTiming.Soon(target.Started, now, interval, _options.Jitter, chance)
            : ProbeTiming.Next(target.Started, now, interval, target.Phase, _options.Jitter, chance));
    }

    private void Plan(ProbeTarget target, TimeSpan now, TimeSpan due)
    {
        target.State = ProbeTurn.Waiting;
        target.Due = due > now ? due : now;
        if (!target.IsGone)
        {
            _due.Enqueue((target, ++target.Turn), target.Due); // what was planned before is passed over when its time comes
        }
    }

    private Lane LaneOf(ProbeTarget target) => target.HasFailed ? _failing : _answering;

    /// <summary>Those that share room. Those that fail have room of their own, or some black holes would take all of it.</summary>
    private sealed class Lane
    {
        public readonly Queue<ProbeTarget> Waiting = new();
        public int Running;
    }
}

/// <summary>A destination as it is probed.</summary>
internal sealed class ProbeTarget(Member member)
{
    private ulong _chances = member.Hash;

    /// <summary>Where in each interval it is probed, 0 to less than 1.</summary>
    public double Phase { get; } = (member.Hash >> 11) * (1.0 / (1UL << 53));

    public Member Member { get; set; } = member;

    public ProbeVerdict Verdict { get; set; } = ProbeVerdict.Of(member);

    public ProbeTurn State { get; set; }

    /// <summary>When its turn is.</summary>
    public TimeSpan Due { get; set; }

    /// <summary>When its last probe began.</summary>
    public TimeSpan Started { get; set; }

    /// <summary>Probes that have ended.</summary>
    public long Probes { get; set; }

    /// <summary>Whether its last probe failed.</summary>
    public bool HasFailed { get; set; }

    /// <summary>Whether it is probed no more; what still runs is not listened to.</summary>
    public bool IsGone { get; set; }

    /// <summary>A probe that goes on though its time is up.</summary>
    public Task? Late { get; set; }

    /// <summary>Whether its last probe threw what no probe should, so that it has been told.</summary>
    public bool IsBroken { get; set; }

    internal int Turn { get; set; }

    internal int Look { get; set; }

    internal bool IsWaiting(int turn) => State == ProbeTurn.Waiting && Turn == turn && !IsGone;

    /// <summary>A number of chance, 0 to less than 1, another each time and the same in every run.</summary>
    internal double NextChance() => (WeightedDraw.Mix(++_chances) >> 11) * (1.0 / (1UL << 53));
}

/// <summary>Where a destination is between two probes.</summary>
internal enum ProbeTurn
{
    /// <summary>Its turn has yet to come.</summary>
    Waiting,

    /// <summary>It is its turn, once there is room.</summary>
    Next,

    /// <summary>It is being probed.</summary>
    Running,
}
