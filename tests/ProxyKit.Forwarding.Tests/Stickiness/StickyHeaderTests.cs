namespace ProxyKit.Forwarding.Tests;

public class StickyHeaderTests
{
    [Fact]
    public void A_client_that_sends_the_field_back_stays_with_its_member()
    {
        var pool = StickyRun.NewPool("a", "b", "c");
        var stickiness = new StickyRun(new StickyHeader("X-Seat") { Secrets = ["a secret of more than sixteen characters"] }).Stickiness;
        var first = Requests.From("203.0.113.9");
        stickiness.Commit(first, stickiness.Find(first, pool.Snapshot), StickyRun.MemberOf(pool, "c"), new HttpResponseMessage());
        var next = Requests.From("203.0.113.9", ("X-Seat", first.Response.Headers["X-Seat"].ToString()));
        var session = stickiness.Find(next, pool.Snapshot);
        Assert.Equal("c", session.Member!.Destination.Name);
        stickiness.Commit(next, session, session.Member, new HttpResponseMessage());
        Assert.False(next.Response.Headers.ContainsKey("X-Seat"));
        Assert.Equal(default, stickiness.Find(Requests.From("203.0.113.9", ("X-Seat", "anything")), pool.Snapshot));
    }

    [Fact]
    public void Destinations_do_not_see_the_field()
    {
        var stickiness = new StickyRun(new StickyHeader { Secrets = ["a secret of more than sixteen characters"] }).Stickiness;
        Assert.True(stickiness.Owns("x-session-affinity"));
        Assert.False(stickiness.Owns("X-Session"));
    }

    [Fact]
    public void A_name_that_breaks_messages_is_refused() => Assert.Single(new StickyHeader("Transfer-Encoding").Faults());
}
