using System.IO.Hashing;
using System.Runtime.InteropServices;

using Microsoft.AspNetCore.Http;

namespace ProxyKit.Forwarding;

/// <summary>Sessions by the application's own cookie, learned from what destinations set.</summary>
internal sealed class AppCookieStickiness(StickyAppCookie options, IStickTable table) : Stickiness
{
    public override DeadMember OnDeadMember => options.OnDeadMember;

    public override TimeSpan MaxWait => options.MaxWait;

    public override StickySession Find(HttpContext context, PoolSnapshot snapshot)
    {
        var cookies = new CookieField.Cookies(context.Request.Headers.Cookie, options.Name);
        while (cookies.MoveNext())
        {
            if (!cookies.Current.IsEmpty && table.TryFind(SessionOf(cookies.Current), out var member))
            {
                return new StickySession(snapshot.Find(member), IsKnown: true);
            }
        }

        return default;
    }

    public override void Commit(HttpContext context, in StickySession session, Member answered, HttpResponseMessage response)
    {
        // A draining member gets no new session; one that it has may change its name (after a login, say) and stays.
        if (answered.State != MemberState.Active && session.Member?.IsSame(answered) != true)
        {
            return;
        }

        if (response.Headers.NonValidated.TryGetValues("Set-Cookie", out var lines))
        {
            foreach (var line in lines)
            {
                if (TryValue(line, options.Name, out var value))
                {
                    table.Learn(SessionOf(value), answered.Hash);
                    return;
                }
            }
        }

        // The session's member is gone and another took it over: it stays there from now on.
        if (session.IsKnown && !session.Holds(answered) && CookieField.TryFind(context.Request.Headers.Cookie, options.Name, out var held) && !held.IsEmpty)
        {
            table.Learn(SessionOf(held), answered.Hash);
        }
    }

    // name=value before the first semicolon (RFC 6265 §5.2); an empty value is how a cookie is taken back.
    private static bool TryValue(ReadOnlySpan<char> line, string name, out ReadOnlySpan<char> value)
    {
        var end = line.IndexOf(';');
        var pair = end < 0 ? line : line[..end];
        var equals = pair.IndexOf('=');
        value = equals < 0 ? [] : pair[(equals + 1)..].Trim(" \t");
        return !value.IsEmpty && pair[..equals].Trim(" \t").SequenceEqual(name);
    }

    // Hashed, so that no table holds what would let its reader into a session.
    private static UInt128 SessionOf(ReadOnlySpan<char> cookie) => XxHash128.HashToUInt128(MemoryMarshal.AsBytes(cookie));
}
