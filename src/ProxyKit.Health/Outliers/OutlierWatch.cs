using System.Globalization;

namespace ProxyKit.Health;

/// <summary>Takes the members of one pool out and brings them back. All of it under one lock, which only failures and the timer come to.</summary>
internal sealed class OutlierWatch : PoolNote
{
    private OutlierOptions? _options;
    private long _windowBegan;

    /// <summary>How the pool is watched; null where it is not.</summary>
    public OutlierOptions? Options => Volatile.Read(ref _options);

    public HealthMetrics? Metrics { get; set; }

    /// <summary>There is too much of something in a row: the member is out, unless too many are.</summary>
    public void Eject(Pool pool, Member member, in Outcome outcome, OutlierKind kind, int count)
    {
        var what = kind switch
        {
            OutlierKind.ConnectFailures => "failed connections",
            OutlierKind.GatewayErrors => "gateway errors",
            _ => "server errors",
        };
        lock (Deciding)
        {
            var tally = member.Notes.Of<Tally>();
            if (tally.Place == Place.In && Began(pool, outcome) >= tally.CountsFrom)
            {
                TryEject(member, tally, kind, $"{count} {what} in a row");
            }
        }
    }

    /// <summary>The request on trial has ended.</summary>
    public void EndTrial(Pool pool, Member member, in Outcome outcome, Signal signal)
    {
        lock (Deciding)
        {
            var tally = member.Notes.Of<Tally>();
            if (tally.Place != Place.OnTrial || Began(pool, outcome) < tally.CountsFrom)
            {
                return; // it was on its way long before, and says nothing of how things are now
            }

            if (signal == Signal.Fine)
            {
                Return(member, tally, "it served the request on trial");
            }
            else
            {
                TryEject(member, tally, OutlierKind.Trial, $"it failed the request on trial, {Told(outcome)}");
            }
        }
    }

    /// <summary>A probe has found that the member serves.</summary>
    public void ProbeSucceeded(Member member)
    {
        lock (Deciding)
        {
            var tally = member.Notes.Of<Tally>();
            if (_options is { ProbeUnejects: true } && tally.Place != Place.In)
            {
                Return(member, tally, "a probe succeeded");
            }
        }
    }

    protected override bool TakeUp(PoolSnapshot snapshot)
    {
        var (before, options) = (_options, snapshot.Settings.Get<OutlierOptions>());
        if (before is null && options is null)
        {
            return false;
        }

        var now = Pool.Time.GetTimestamp();
        Volatile.Write(ref _options, options);
        foreach (var member in snapshot.Members)
        {
            TakeUp(member, options, now);
        }

        if (options is null)
        {
            WakeAfter(null);
            return false;
        }

        var members = Active(Pool.Snapshot);
        var surplus = members.Count(IsOut) - OutlierRules.Room(members.Count, options.MaxEjectedShare);
        foreach (var (member, tally) in members.Where(IsOut).OrderBy(entry => entry.Tally.Until).Take(surplus))
        {
            Return(member, tally, "too many are out");
        }

        if (before is null)
        {
            _windowBegan = now;
        }

        WakeInTime();
        return snapshot.Members.Any(member => member.Notes.Of<Tally>().Place != Place.In);
    }

    protected override void Tick()
    {
        if (_options is not { } options)
        {
            return;
        }

        var now = Pool.Time.GetTimestamp();
        foreach (var (member, tally) in Active(Pool.Snapshot).Where(entry => IsOut(entry) && entry.Tally.Until <= now))
        {
            if (tally.Place == Place.OnTrial)
            {
                Return(member, tally, "nobody asked it on trial");
                continue;
            }

            (tally.CountsFrom, tally.Until) = (now, After(now, options.MaxEjection));
            tally.Place = Place.OnTrial;
            Pool.Believe(member.Destination.Name, OutlierDetection.Source, Availability.Trial, "its time is over; one request at a time tries it");
        }

        if (Pool.Time.GetElapsedTime(_windowBegan, now) >= options.Interval)
        {
            EndWindow(options, now);
            _windowBegan = now;
        }

        WakeInTime();
    }

    private void TakeUp(Member member, OutlierOptions? options, long now)
    {
        var tally = member.Notes.Of<Tally>();
        var isDoubted = member.Beliefs.Any(belief => belief.Source == OutlierDetection.Source);
        if (options is null || isDoubted != (tally.Place != Place.In))
        {
            // Watched no more; or the destination was gone in between, and what is kept here and there no longer agrees.
            if (isDoubted)
            {
                Pool.Believe(member.Destination.Name, OutlierDetection.Source, Availability.Up, "it is no longer watched");
            }

            if (tally.Place != Place.In || options is null)
            {
                tally.Ejections = 0;
                tally.ComeBack(now);
            }
        }

        tally.Latencies = options is { LatencyFactor: > 0 } ? tally.Latencies ?? new Latencies() : null;
        if (options is { ProbeUnejects: true } && tally.Place != Place.In)
        {
            var wasDoubted = tally.IsDoubtedByProbe;
            tally.IsDoubtedByProbe = member.Beliefs.Any(belief => belief is { Source: OutlierDetection.Probe, Availability: Availability.Down });
            if (wasDoubted && !tally.IsDoubtedByProbe)
            {
                Return(member, tally, "probes find that it serves");
            }
        }
    }

    private void EndWindow(OutlierOptions options, long now)
    {
        var members = Active(Pool.Snapshot).Where(entry => !IsOut(entry)).ToList();
        var windows = members.Select(entry => entry.Tally.TakeWindow()).ToArray();
        var outliers = OutlierRules.Judge(windows, options);
        foreach (var index in Enumerable.Range(0, members.Count).Except(outliers.Select(outlier => outlier.Index)))
        {
            var tally = members[index].Tally;
            if (tally.Ejections > 0 && tally.CountsFrom <= _windowBegan)
            {
                tally.Ejections--;
            }
        }

        foreach (var outlier in outliers)
        {
            TryEject(members[outlier.Index].Member, members[outlier.Index].Tally, outlier.Kind, outlier.Reason);
        }
    }

    private void TryEject(Member member, Tally tally, OutlierKind kind, string reason)
    {
        var snapshot = Pool.Snapshot;
        if (_options is not { } options || snapshot.Find(member.Hash) is not { State: MemberState.Active } own || !own.IsSame(member))
        {
            return;
        }

        var members = Active(snapshot);
        if (tally.Place == Place.In
            && (members.Count(IsOut) >= OutlierRules.Room(members.Count, options.MaxEjectedShare)
                || !members.Exists(other => other.Tally != tally && other.Member.Availability <= Availability.Degraded)))
        {
            return;
        }

        var now = Pool.Time.GetTimestamp();
        tally.Ejections++;
        var chance = (WeightedDraw.Mix(member.Hash + unchecked((ulong)now)) >> 11) * (1.0 / (1UL << 53));
        var time = OutlierRules.EjectionTime(options, tally.Ejections, chance);
        (tally.Until, tally.IsDoubtedByProbe) = (After(now, time), false);
        tally.Place = Place.Out;
        Pool.Believe(member.Destination.Name, OutlierDetection.Source, Availability.Down, string.Create(CultureInfo.InvariantCulture, $"{reason}; out for {time.TotalSeconds:0.#} s"));
        Metrics?.Ejected(Pool.Name, member.Destination.Name, kind);
        TakeUp();
    }

    private void Return(Member member, Tally tally, string reason)
    {
        tally.ComeBack(Pool.Time.GetTimestamp());
        Pool.Believe(member.Destination.Name, OutlierDetection.Source, Availability.Up, reason);
    }

    private void WakeInTime()
    {
        if (_options is { } options)
        {
            var now = Pool.Time.GetTimestamp();
            var next = Active(Pool.Snapshot).Where(IsOut).Select(entry => entry.Tally.Until).Append(After(_windowBegan, options.Interval)).Min();
            WakeAfter(Pool.Time.GetElapsedTime(now, next));
        }
    }

    private long After(long moment, TimeSpan time) => moment + (long)(time.TotalSeconds * Pool.Time.TimestampFrequency);

    private static long Began(Pool pool, in Outcome outcome) => pool.Time.GetTimestamp() - (long)(outcome.Elapsed.TotalSeconds * pool.Time.TimestampFrequency);

    private static bool IsOut((Member Member, Tally Tally) entry) => entry.Tally.Place != Place.In;

    // One that is drained, off or weightless takes no traffic: it counts for nothing here.
    private static List<(Member Member, Tally Tally)> Active(PoolSnapshot snapshot) =>
        [.. snapshot.Members.Where(member => member.State == MemberState.Active && member.Destination.Weight > 0).Select(member => (member, member.Notes.Of<Tally>()))];

    private static string Told(in Outcome outcome) => outcome.Kind switch
    {
        OutcomeKind.NotConnected => "no connection",
        OutcomeKind.TimedOut => "no answer in time",
        OutcomeKind.Answered => string.Create(CultureInfo.InvariantCulture, $"status {outcome.Status}"),
        _ => "the connection broke",
    };
}
