namespace ProxyKit.Health;

/// <summary>Believes what the members of one pool say, and forgets it in time.</summary>
internal sealed class ReportWatch : PoolNote
{
    private TimeSpan? _lasts;

    public void Hear(Pool pool, Member member, SelfReports.Word word, Availability reported)
    {
        lock (Deciding)
        {
            if (_lasts is null || pool.Snapshot.Find(member.Hash) is not { } own || !own.IsSame(member))
            {
                return;
            }

            word.HeardAt = pool.Time.GetTimestamp();
            Volatile.Write(ref word.Said, (int)reported);
            pool.Believe(member.Destination.Name, SelfReports.Source, reported, reported == Availability.Up ? "it says so itself, no longer" : "it says so itself");
            TakeUp();
        }
    }

    protected override bool TakeUp(PoolSnapshot snapshot)
    {
        _lasts = snapshot.Settings.Get<StateHeaderOptions>()?.Lasts;
        var anything = false;
        foreach (var member in snapshot.Members)
        {
            var word = member.Notes.Of<SelfReports.Word>();
            var isBelieved = member.Beliefs.Any(belief => belief.Source == SelfReports.Source);
            if (_lasts is null || isBelieved != (word.Said != (int)Availability.Up))
            {
                Forget(member, word, "nobody listens to it any more"); // or the destination was gone in between
            }

            anything |= word.Said != (int)Availability.Up;
        }

        WakeInTime();
        return anything;
    }

    protected override void Tick()
    {
        if (_lasts is { } lasts)
        {
            foreach (var member in Pool.Snapshot.Members)
            {
                var word = member.Notes.Of<SelfReports.Word>();
                if (word.Said != (int)Availability.Up && Pool.Time.GetElapsedTime(Volatile.Read(ref word.HeardAt)) >= lasts)
                {
                    Forget(member, word, "it has not said so for a while");
                }
            }
        }

        WakeInTime();
    }

    private void Forget(Member member, SelfReports.Word word, string reason)
    {
        Volatile.Write(ref word.Said, (int)Availability.Up);
        Pool.Believe(member.Destination.Name, SelfReports.Source, Availability.Up, reason);
    }

    private void WakeInTime()
    {
        var words = Pool.Snapshot.Members.Select(member => member.Notes.Of<SelfReports.Word>()).Where(word => word.Said != (int)Availability.Up).ToList();
        WakeAfter(_lasts is { } lasts && words.Count > 0 ? words.Min(word => lasts - Pool.Time.GetElapsedTime(Volatile.Read(ref word.HeardAt))) : null);
    }
}
