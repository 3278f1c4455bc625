namespace ProxyKit.Health;

/// <summary>Believes what destinations say of themselves (<see cref="StateHeaderOptions"/>), for as long as it lasts from when it was last heard.</summary>
/// <remarks>It says so as the source <c>reported</c>. An answer that says nothing changes nothing, and one that says the same again costs no lock and no allocation.</remarks>
public sealed class SelfReports : IOutcomeObserver
{
    /// <summary>The source of its beliefs.</summary>
    internal const string Source = "reported";

    /// <inheritdoc/>
    public void OnOutcome(Pool pool, Member member, in Outcome outcome)
    {
        if (outcome.Reported is { } reported)
        {
            Hear(pool, member, reported);
        }
    }

    /// <summary>Takes the destination at its word; whoever reads it from something else than outcomes calls this.</summary>
    internal static void Hear(Pool pool, Member member, Availability reported)
    {
        var word = member.Notes.Of<Word>();
        if (reported == Availability.Up && Volatile.Read(ref word.Said) == (int)Availability.Up)
        {
            return;
        }

        var watch = pool.Notes.Of<ReportWatch>();
        if (watch.IsStale(pool))
        {
            watch.TakeUp(pool);
        }

        if (Volatile.Read(ref word.Said) == (int)reported)
        {
            Volatile.Write(ref word.HeardAt, pool.Time.GetTimestamp());
        }
        else
        {
            watch.Hear(pool, member, word, reported);
        }
    }

    /// <summary>What a member said last.</summary>
    internal sealed class Word
    {
        public int Said; // an Availability
        public long HeardAt;
    }
}
