using System.IO.Hashing;
using System.Text;

using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Primitives;

namespace ProxyKit.Forwarding;

/// <summary>Sessions by a signed cookie of the gateway's own.</summary>
internal sealed class CookieStickiness : Stickiness
{
    private readonly StickyCookie _options;
    private readonly SessionTokens _tokens;
    private readonly ClientFinder _client;
    private readonly string _name;
    private readonly string _secureName;

    public CookieStickiness(StickyCookie options, SessionTokens tokens, string pool, ForwardingOptions host)
    {
        (_options, _tokens, _client) = (options, tokens, new ClientFinder(host));
        _name = options.Name ?? $"pk-{XxHash3.HashToUInt64(Encoding.UTF8.GetBytes(pool)) >> 32:x8}";
        _secureName = options.Name ?? $"__Host-{_name}";
    }

    public override DeadMember OnDeadMember => _options.OnDeadMember;

    public override TimeSpan MaxWait => _options.MaxWait;

    public override StickySession Find(HttpContext context, PoolSnapshot snapshot)
    {
        var cookies = new CookieField.Cookies(context.Request.Headers.Cookie, Name(IsSecure(context)));
        while (cookies.MoveNext())
        {
            if (_tokens.TryRead(cookies.Current, snapshot, out var session))
            {
                return session;
            }
        }

        return default;
    }

    public override void Commit(HttpContext context, in StickySession session, Member answered, HttpResponseMessage response)
    {
        if (session.Holds(answered) || answered.State != MemberState.Active || (_options.NotOnCacheable && Cacheability.IsCacheable(context.Request.Method, response)))
        {
            return;
        }

        var isSecure = IsSecure(context);
        var name = Name(isSecure);
        isSecure |= name.StartsWith("__", StringComparison.Ordinal) && (name.StartsWith("__Host-", StringComparison.OrdinalIgnoreCase) || name.StartsWith("__Secure-", StringComparison.OrdinalIgnoreCase));
        var sameSite = _options.SameSite switch
        {
            SameSiteMode.None => "; samesite=none",
            SameSiteMode.Lax => "; samesite=lax",
            SameSiteMode.Strict => "; samesite=strict",
            _ => "",
        };
        context.Response.Headers.Append("Set-Cookie", $"{name}={_tokens.Issue(session, answered)}; path=/{(isSecure ? "; secure" : "")}{sameSite}; httponly");
    }

    public override StringValues CookieToSend(HttpContext context, StringValues cookie)
    {
        if (_options.PassToDestination)
        {
            return cookie;
        }

        // Both, for a client may hold one from each scheme.
        cookie = CookieField.Without(cookie, _secureName);
        return ReferenceEquals(_name, _secureName) ? cookie : CookieField.Without(cookie, _name);
    }

    private string Name(bool isSecure) => isSecure ? _secureName : _name;

    private bool IsSecure(HttpContext context) => _options.Secure switch
    {
        CookieSecurePolicy.Always => true,
        CookieSecurePolicy.None => false,
        _ => _client.IsHttps(context),
    };
}

/// <summary>Sessions by a signed field that responses bring and requests send back.</summary>
internal sealed class HeaderStickiness(StickyHeader options, SessionTokens tokens) : Stickiness
{
    public override DeadMember OnDeadMember => options.OnDeadMember;

    public override TimeSpan MaxWait => options.MaxWait;

    public override StickySession Find(HttpContext context, PoolSnapshot snapshot) =>
        context.Request.Headers[options.Name] is [{ } text] && tokens.TryRead(text.AsSpan().Trim(), snapshot, out var session) ? session : default;

    public override void Commit(HttpContext context, in StickySession session, Member answered, HttpResponseMessage response)
    {
        if (session.Holds(answered) || answered.State != MemberState.Active || (options.NotOnCacheable && Cacheability.IsCacheable(context.Request.Method, response)))
        {
            return;
        }

        context.Response.Headers[options.Name] = tokens.Issue(session, answered);
    }

    public override bool Owns(string name) => name.Equals(options.Name, StringComparison.OrdinalIgnoreCase);
}
