using Microsoft.Extensions.Time.Testing;

namespace ProxyKit.Tests.Pools;

public class RetryAfterTests
{
    private readonly FakeTimeProvider _time = new();

    [Fact]
    public void A_member_that_asks_to_be_left_alone_is_passed_over_until_then()
    {
        using var pool = Pool();
        Ask(pool, "a", TimeSpan.FromSeconds(10));
        Assert.All(Enumerable.Range(0, 20), _ => Assert.Equal("b", pool.Pick().Member.Destination.Name));
        _time.Advance(TimeSpan.FromSeconds(9));
        Assert.True(pool.Member("a").IsDown);
        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.False(pool.Member("a").IsDown);
    }

    [Fact]
    public void The_longest_that_it_asked_for_counts()
    {
        using var pool = Pool();
        using var other = pool.PickOn("a");
        Ask(pool, "a", TimeSpan.FromSeconds(10));
        other.Report(OutcomeKind.Answered, 503, TimeSpan.FromSeconds(2));
        _time.Advance(TimeSpan.FromSeconds(5));
        Assert.True(pool.Member("a").IsDown);
        _time.Advance(TimeSpan.FromSeconds(5));
        Assert.False(pool.Member("a").IsDown);
    }

    [Fact]
    public void No_member_can_ask_for_more_than_five_minutes()
    {
        using var pool = Pool();
        Ask(pool, "a", TimeSpan.MaxValue);
        Assert.True(pool.Member("a").IsDown);
        _time.Advance(TimeSpan.FromMinutes(5));
        Assert.False(pool.Member("a").IsDown);
    }

    [Theory]
    [InlineData(0), InlineData(-5)]
    public void A_time_that_is_over_already_asks_for_nothing(int seconds)
    {
        using var pool = Pool();
        Ask(pool, "a", TimeSpan.FromSeconds(seconds));
        Assert.False(pool.Member("a").IsDown);
    }

    [Fact]
    public void What_a_removed_server_asked_for_does_not_touch_the_one_that_follows_under_its_name()
    {
        using var pool = Pool();
        using var late = pool.PickOn("a");
        Ask(pool, "a", TimeSpan.FromSeconds(10));
        pool.Update([Some.Destination("a", port: 81), Some.Destination("b")]);
        Assert.False(pool.Member("a").IsDown);
        late.Report(OutcomeKind.Answered, 503, TimeSpan.FromSeconds(10));
        Assert.False(pool.Member("a").IsDown);

        _time.Advance(TimeSpan.FromSeconds(5));
        Ask(pool, "a", TimeSpan.FromSeconds(10));
        _time.Advance(TimeSpan.FromSeconds(5)); // where the old one's time would be over
        Assert.True(pool.Member("a").IsDown);
    }

    private static void Ask(Pool pool, string name, TimeSpan pause)
    {
        using var lease = pool.PickOn(name);
        lease.Report(OutcomeKind.Answered, 503, pause);
    }

    private Pool Pool() => new("p", Some.Destinations("a", "b"), time: _time);
}
