using System.Collections.Concurrent;
using System.Collections.Frozen;

namespace ProxyKit.Forwarding;

/// <summary>Issues tokens of sessions and knows their members again, within their limits of time.</summary>
internal sealed class SessionTokens(SessionKeys keys, TimeSpan maxIdle, TimeSpan maxLife, TimeProvider time)
{
    private const int Skew = 60; // seconds by which the clocks of two gateways may differ

    private Tables _tables = new(new PoolSnapshot([]), new());

    /// <summary>The session that the token tells; false where it is none, or its time is over.</summary>
    public bool TryRead(ReadOnlySpan<char> text, PoolSnapshot snapshot, out StickySession session)
    {
        session = default;
        if (!SessionToken.TryRead(text, keys, out var token))
        {
            return false;
        }

        var now = Now();
        if (token.Seen > now + Skew || token.Born > now + Skew || IsOver(token.Seen, maxIdle, now) || IsOver(token.Born, maxLife, now))
        {
            return false;
        }

        var isOld = !ReferenceEquals(token.Key, keys.Current) && token.Key.Id != keys.Current.Id;
        var isIdle = maxIdle > TimeSpan.Zero && IsOver(token.Seen, maxIdle / 4, now);
        session = new StickySession(Find(snapshot, token), IsKnown: true, Renew: isOld || isIdle, token.Born);
        return true;
    }

    /// <summary>A token for the member that answered; one that only renews what the client holds keeps its beginning.</summary>
    public string Issue(in StickySession session, Member answered)
    {
        var now = Now();
        var goesOn = session.Born != 0 && session.Member is not null && session.Member.IsSame(answered);
        var key = keys.Current;
        return new SessionToken(key, key.Disguise(answered.Destination.Name), goesOn ? session.Born : now, now).Write();
    }

    private uint Now() => (uint)time.GetUtcNow().ToUnixTimeSeconds();

    private static bool IsOver(uint since, TimeSpan limit, uint now) => limit > TimeSpan.Zero && now > since && now - since > limit.TotalSeconds;

    private Member? Find(PoolSnapshot snapshot, SessionToken token)
    {
        var tables = Volatile.Read(ref _tables);
        if (!ReferenceEquals(tables.Snapshot, snapshot))
        {
            tables = new Tables(snapshot, new());
            Volatile.Write(ref _tables, tables);
        }

        var table = tables.ByKey.GetOrAdd(token.Key, static (key, snapshot) => Disguised(key, snapshot), snapshot);
        return table.GetValueOrDefault(token.Member);
    }

    private static FrozenDictionary<ulong, Member> Disguised(SessionKey key, PoolSnapshot snapshot)
    {
        var members = new Dictionary<ulong, Member>();
        foreach (var member in snapshot.Members)
        {
            members.TryAdd(key.Disguise(member.Destination.Name), member);
        }

        return members.ToFrozenDictionary();
    }

    /// <summary>The members of one snapshot as each key disguises them.</summary>
    private sealed record Tables(PoolSnapshot Snapshot, ConcurrentDictionary<SessionKey, FrozenDictionary<ulong, Member>> ByKey);
}
