using CsCheck;

using Microsoft.Extensions.Time.Testing;

namespace ProxyKit.Forwarding.Tests;

public class StickyAppCookieTests
{
    private static readonly Pool Three = StickyRun.NewPool("a", "b", "c");

    [Fact]
    public void The_member_that_set_the_cookie_serves_who_holds_it()
    {
        var run = new StickyRun(new StickyAppCookie("sid"));
        Assert.Null(run.Commit(default, StickyRun.MemberOf(Three, "b"), response: Setting("theme=dark; Path=/", "sid=s1; Path=/; HttpOnly")));
        Assert.Equal("b", run.Find("x=1; sid=s1", Three).Member!.Destination.Name);
        Assert.Equal(default, run.Find("sid=s2", Three));
        Assert.Equal(default, run.Find("sid=", Three));
    }

    [Fact]
    public void A_cookie_taken_back_is_no_session()
    {
        var run = new StickyRun(new StickyAppCookie("sid"));
        run.Commit(default, StickyRun.MemberOf(Three, "b"), response: Setting("sid=; Max-Age=0"));
        Assert.Equal(default, run.Find("sid=", Three));
    }

    [Fact]
    public void Whoever_takes_a_session_over_keeps_it()
    {
        var run = new StickyRun(new StickyAppCookie("sid"));
        run.Commit(default, StickyRun.MemberOf(Three, "b"), response: Setting("sid=s1"));
        var without = StickyRun.NewPool("a", "c");
        var session = run.Find("sid=s1", without);
        Assert.Equal((null, true), (session.Member, session.IsKnown));
        run.Commit(session, StickyRun.MemberOf(without, "c"), "sid=s1");
        Assert.Equal("c", run.Find("sid=s1", Three).Member!.Destination.Name);
    }

    [Fact]
    public void A_reload_of_the_pool_forgets_no_session()
    {
        var run = new StickyRun(new StickyAppCookie("sid"));
        run.Commit(default, StickyRun.MemberOf(Three, "b"), response: Setting("sid=s1"));
        var again = Stickiness.Create("orders", PoolSettings.Default.With<StickinessOptions>(new StickyAppCookie("sid")), run.Services)!;
        Assert.Equal("b", again.Find(Requests.From("203.0.113.9", ("Cookie", "sid=s1")), Three.Snapshot).Member!.Destination.Name);
    }

    [Fact]
    public void A_table_of_ones_own_takes_its_place()
    {
        var table = new StickTable(10, TimeSpan.FromHours(1), TimeProvider.System);
        var run = new StickyRun(new StickyAppCookie("sid", table));
        run.Commit(default, StickyRun.MemberOf(Three, "b"), response: Setting("sid=s1"));
        Assert.Equal(1, table.Count);
    }

    [Fact]
    public void The_table_never_holds_more_than_its_bound_and_keeps_the_last_used_half() =>
        Gen.Select(Gen.Int[2, 40], Gen.Int[0, 60].Array[1, 200]).Sample((capacity, sessions) =>
        {
            var table = new StickTable(capacity, TimeSpan.FromHours(1), new FakeTimeProvider());
            foreach (var session in sessions)
            {
                table.Learn((UInt128)session, (ulong)session);
                Assert.InRange(table.Count, 1, capacity);
            }

            foreach (var recent in sessions.Reverse().Distinct().Take(capacity / 2))
            {
                Assert.True(table.TryFind((UInt128)recent, out var member));
                Assert.Equal((ulong)recent, member);
            }
        });

    [Fact]
    public void A_session_is_forgotten_after_a_pause_and_kept_by_use()
    {
        var time = new FakeTimeProvider();
        var table = new StickTable(100, TimeSpan.FromMinutes(60), time);
        table.Learn(1, 7);
        table.Learn(2, 8);
        for (var i = 0; i < 4; i++)
        {
            time.Advance(TimeSpan.FromMinutes(20));
            Assert.True(table.TryFind(1, out _));
        }

        Assert.False(table.TryFind(2, out _));
    }

    private static HttpResponseMessage Setting(params string[] cookies)
    {
        var response = new HttpResponseMessage();
        response.Headers.TryAddWithoutValidation("Set-Cookie", cookies);
        return response;
    }
}
