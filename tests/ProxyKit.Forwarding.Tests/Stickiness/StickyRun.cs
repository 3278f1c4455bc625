using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Time.Testing;

namespace ProxyKit.Forwarding.Tests;

/// <summary>One gateway's stickiness, and a client that keeps what it is given.</summary>
internal sealed class StickyRun
{
    public static readonly DateTimeOffset Start = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);

    public StickyRun(StickinessOptions options, Action<IServiceCollection>? add = null, FakeTimeProvider? time = null, string pool = "orders")
    {
        Time = time ?? new FakeTimeProvider(Start);
        var services = new ServiceCollection();
        services.AddSingleton<TimeProvider>(Time);
        services.AddLogging();
        services.AddMetrics();
        add?.Invoke(services);
        services.AddForwardingFeatures();
        Services = services.BuildServiceProvider();
        Stickiness = Stickiness.Create(pool, PoolSettings.Default.With(options), Services)!;
    }

    public FakeTimeProvider Time { get; }

    public IServiceProvider Services { get; }

    public Stickiness Stickiness { get; }

    public static Pool NewPool(params string[] names) => new("orders", names.Select(name => new Destination(name, new Uri($"http://{name}.internal:8080"))));

    public static Member MemberOf(Pool pool, string name) => pool.Snapshot.Find(name)!;

    /// <summary>A request that holds <paramref name="cookie"/>, as the pool's stickiness sees it.</summary>
    public StickySession Find(string? cookie, Pool pool, bool https = false) => Stickiness.Find(Request(cookie, https), pool.Snapshot);

    /// <summary>The one <c>Set-Cookie</c> that a response gets; null where it gets none.</summary>
    public string? Commit(in StickySession session, Member answered, string? cookie = null, bool https = false, HttpResponseMessage? response = null, string method = "GET")
    {
        var context = Request(cookie, https);
        context.Request.Method = method;
        Stickiness.Commit(context, session, answered, response ?? new HttpResponseMessage());
        var cookies = context.Response.Headers.SetCookie;
        Assert.InRange(cookies.Count, 0, 1);
        return cookies.Count == 0 ? null : cookies[0];
    }

    /// <summary>What a client sends back of a <c>Set-Cookie</c>.</summary>
    public static string Kept(string? setCookie) => setCookie!.Split(';')[0];

    private static DefaultHttpContext Request(string? cookie, bool https)
    {
        var context = cookie is null ? Requests.From("203.0.113.9") : Requests.From("203.0.113.9", ("Cookie", cookie));
        context.Request.Scheme = https ? "https" : "http";
        return context;
    }
}
