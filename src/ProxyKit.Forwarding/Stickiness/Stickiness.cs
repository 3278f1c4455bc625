using System.Diagnostics;

using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Primitives;

namespace ProxyKit.Forwarding;

/// <summary>How a pool keeps a session with one member, made ready for requests.</summary>
internal abstract class Stickiness
{
    /// <summary>What becomes of a session whose member is gone or down.</summary>
    public abstract DeadMember OnDeadMember { get; }

    /// <summary>How long such a session waits where <see cref="OnDeadMember"/> says so.</summary>
    public abstract TimeSpan MaxWait { get; }

    /// <summary>Compiles a pool's stickiness; null where it has none.</summary>
    public static Stickiness? Create(string pool, PoolSettings settings, IServiceProvider services)
    {
        var options = settings.Get<StickinessOptions>();
        if (options is null)
        {
            return null;
        }

        var time = services.GetService<TimeProvider>() ?? TimeProvider.System;
        var host = services.GetService<ForwardingOptions>() ?? new ForwardingOptions();
        return options switch
        {
            StickyCookie cookie => new CookieStickiness(cookie, new SessionTokens(SessionKeys.Create(pool, cookie, services), cookie.MaxIdle, cookie.MaxLife, time), pool, host),
            StickyHeader header => new HeaderStickiness(header, new SessionTokens(SessionKeys.Create(pool, header, services), header.MaxIdle, header.MaxLife, time)),
            StickyAppCookie cookie => new AppCookieStickiness(cookie, cookie.Table() ?? services.GetRequiredService<SessionMemory>().TableOf(pool, cookie, time)),
            StickyClientIp address => new ClientIpStickiness(
                address, address.Key.For(host), pool, services.GetRequiredService<SessionMemory>().TopKeysOf(pool), time, services.GetRequiredService<ILogger<Stickiness>>()),
            _ => throw new UnreachableException($"{options.GetType()} is no way to stick."), // its constructor is internal
        };
    }

    /// <summary>The key by which a pool's requests are placed, ready for requests; null where it has none. Stickiness by client address brings its own.</summary>
    public static HashKey? KeyOf(PoolSettings settings, ForwardingOptions host) =>
        (settings.Get<StickinessOptions>() is StickyClientIp sticky ? sticky.Key : settings.Get<HashKey>())?.For(host);

    /// <summary>What the request says of its session.</summary>
    public abstract StickySession Find(HttpContext context, PoolSnapshot snapshot);

    /// <summary>Tells the client its member: called once, for the member that answered, before the response's head is sent.</summary>
    public abstract void Commit(HttpContext context, in StickySession session, Member answered, HttpResponseMessage response);

    /// <summary>The request's <c>Cookie</c> field as destinations may see it: without the gateway's own cookie. Unchanged, or empty, without allocating.</summary>
    public virtual StringValues CookieToSend(HttpContext context, StringValues cookie) => cookie;

    /// <summary>Whether a field of the request is the gateway's own and is left out when headers are copied.</summary>
    public virtual bool Owns(string name) => false;
}

/// <summary>What a request says of its session.</summary>
/// <param name="Member">The member that it belongs to, whatever its state; null where it names none that is known.</param>
/// <param name="IsKnown">Whether it belongs to a session at all: true with no <paramref name="Member"/> where that one is gone.</param>
/// <param name="Renew">Whether what the client holds should be issued again though its member is the same: an old key, an old format, an idle limit.</param>
/// <param name="Born">When the session began, in seconds since 1970; 0 where that is not known.</param>
internal readonly record struct StickySession(Member? Member, bool IsKnown, bool Renew = false, uint Born = 0)
{
    /// <summary>Whether what the client holds goes on saying the truth.</summary>
    public bool Holds(Member answered) => Member is not null && Member.IsSame(answered) && !Renew;
}

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
