using CsCheck;

using Microsoft.Extensions.Time.Testing;

namespace ProxyKit.Tests.Pools;

public class SlowStartTests
{
    private static readonly PoolSettings Settings = PoolSettings.Default.With(new SlowStartOptions { Window = TimeSpan.FromSeconds(20) });

    private readonly FakeTimeProvider _time = new();

    [Fact]
    public void A_pool_starts_warm()
    {
        using var pool = new Pool("p", Some.Destinations("a", "b"), Settings, time: _time);
        Assert.Equal([1.0, 1.0], Weights(pool));
    }

    [Fact]
    public void The_first_destinations_of_an_empty_pool_are_warm()
    {
        using var pool = new Pool("p", [], Settings, time: _time);
        pool.Update(Some.Destinations("a", "b"));
        Assert.Equal([1.0, 1.0], Weights(pool));
    }

    [Fact]
    public void A_new_destination_warms_up_by_itself_as_time_goes()
    {
        using var pool = new Pool("p", Some.Destinations("a"), Settings, time: _time);
        pool.Update([Some.Destination("a"), Some.Destination("b", weight: 10)]);
        Assert.Equal([1.0, 1.0], Weights(pool)); // a tenth of 10
        _time.Advance(TimeSpan.FromSeconds(10));
        Assert.Equal(5, pool.Member("b").Weight, 0.001);
        _time.Advance(TimeSpan.FromSeconds(10));
        Assert.Equal([1.0, 10.0], Weights(pool));
    }

    [Fact]
    public void A_destination_that_is_back_warms_up_again()
    {
        using var pool = new Pool("p", Some.Destinations("a", "b"), Settings, time: _time);
        pool.SetAvailable("b", "outliers", false);
        pool.SetAvailable("b", "outliers", true);
        Assert.Equal([1.0, 0.1], Weights(pool));
        _time.Advance(TimeSpan.FromSeconds(20));
        Assert.Equal([1.0, 1.0], Weights(pool));
        pool.SetState("b", MemberState.Off);
        pool.SetState("b", MemberState.Active);
        Assert.Equal([1.0, 0.1], Weights(pool));
    }

    [Fact]
    public void An_undone_drain_and_a_pause_cool_nobody()
    {
        using var pool = new Pool("p", Some.Destinations("a", "b"), Settings, time: _time);
        pool.SetState("b", MemberState.Draining);
        pool.SetState("b", MemberState.Active);
        using (var lease = pool.PickOn("a"))
        {
            lease.Report(OutcomeKind.Answered, 503, TimeSpan.FromSeconds(1));
        }

        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.False(pool.Member("a").IsDown);
        Assert.Equal([1.0, 1.0], Weights(pool));
    }

    [Fact]
    public void A_reload_neither_warms_nor_cools()
    {
        using var pool = new Pool("p", Some.Destinations("a"), Settings, time: _time);
        pool.Update(Some.Destinations("a", "b"));
        _time.Advance(TimeSpan.FromSeconds(10));
        pool.Update(Some.Destinations("b", "a"));
        Assert.Equal([0.5, 1.0], Weights(pool));
        _time.Advance(TimeSpan.FromSeconds(10));
        pool.Update(null, PoolSettings.Default.With(new SlowStartOptions { Window = TimeSpan.FromHours(1) }));
        Assert.Equal([1.0, 1.0], Weights(pool)); // once warm, a longer window cools nobody
    }

    [Fact]
    public void The_weight_rises_from_the_least_to_the_whole_and_never_falls() =>
        Gen.Select(Gen.Double[0.01, 1], Gen.Double[0.1, 10], Gen.Double[0, 2].Array[2, 20]).Sample((least, aggression, ages) =>
        {
            var options = new SlowStartOptions { Window = TimeSpan.FromSeconds(30), MinShare = least, Aggression = aggression };
            var shares = ages.Order().Select(age => options.Warmth(options.Window * age)).ToList();
            Assert.Equal(shares.Order(), shares);
            Assert.All(shares, share => Assert.InRange(share, least, 1));
            Assert.Equal(1, options.Warmth(options.Window));
            Assert.Equal(least, options.Warmth(TimeSpan.Zero));
        });

    private static IEnumerable<double> Weights(Pool pool) => pool.Snapshot.Members.Select(member => Math.Round(member.Weight, 6));
}
