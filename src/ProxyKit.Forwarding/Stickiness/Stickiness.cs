using Microsoft.AspNetCore.Http;

namespace ProxyKit.Forwarding;

/// <summary>How a pool keeps a session with one member, made ready for requests.</summary>
internal abstract class Stickiness
{
    /// <summary>What becomes of a session whose member is gone or down.</summary>
    public abstract DeadMember OnDeadMember { get; }

    /// <summary>How long such a session waits where <see cref="OnDeadMember"/> says so.</summary>
    public abstract TimeSpan MaxWait { get; }

    /// <summary>What the request says of its session.</summary>
    public abstract StickySession Find(HttpContext context, PoolSnapshot snapshot);

    /// <summary>Tells the client its member: called once, for the member that answered, before the response's head is sent.</summary>
    public abstract void Commit(HttpContext context, in StickySession session, Member answered, HttpResponseMessage response);
}

/// <summary>What a request says of its session.</summary>
/// <param name="Member">The member that it belongs to, whatever its state; null where it names none that is known.</param>
/// <param name="IsKnown">Whether it belongs to a session at all: true with no <paramref name="Member"/> where that one is gone.</param>
/// <param name="Renew">Whether what the client holds should be issued again though its member is the same: an old key, an old format, an idle limit.</param>
internal readonly record struct StickySession(Member? Member, bool IsKnown, bool Renew = false);

/// <summary>What becomes of a session whose member is gone or down.</summary>
public enum DeadMember
{
    /// <summary>Another member takes it over, and the client is told. The default.</summary>
    Redistribute,

    /// <summary>It is refused with 503: only that member can serve it.</summary>
    Refuse,

    /// <summary>It waits for the member to come back for some time, and is refused then.</summary>
    Wait,
}
