using CsCheck;

namespace ProxyKit.Tests.Pools;

// Who gets new traffic, and how much of its weight counts.
public class ServingTests
{
    private static readonly PanicOptions FailFast = new() { Mode = PanicMode.FailFast };

    // u: up, g: degraded, t: on trial, d: draining, x: down; a space begins the next tier. Of each: its share of weight, - where it gets nothing,
    // t where one at a time, ! where panic decides.
    [Theory]
    [InlineData("uuu", "1 1 1")]
    [InlineData("uux", "1 1 -")]
    [InlineData("uxx", "1 - -")] // without options only nobody is too few
    [InlineData("xxx", "1! 1! 1!")]
    [InlineData("xt", "1! 1!")]
    [InlineData("ut", "1 1t")]
    [InlineData("ud", "1 -")]
    [InlineData("xd", "1! -")] // one that leaves on purpose is asked not even then
    [InlineData("dd", "- -")]
    [InlineData("g", "1")]
    [InlineData("gx", "1 -")]
    [InlineData("uuuuugg", "1 1 1 1 1 - -")] // five of seven carry all
    [InlineData("uxgg", "1 - 0.93 0.93")] // 1 of 4 carries 0.35; the two carry 0.65, each 0.325
    [InlineData("ugd", "1 0.43 -")] // the tier is that much smaller: 0.7 and 0.3
    [InlineData("xx u", "- - 1")]
    [InlineData("xx x", "1! 1! 1!")]
    [InlineData("xg u", "- 1 1")]
    [InlineData("t u", "1t 1")]
    public void Without_options_all_are_asked_where_nobody_is_healthy(string candidates, string parts) => Assert.Equal(parts, Chosen(candidates, null));

    [Theory]
    [InlineData("uuux", "1 1 1 -")] // 3 of 4 carry all
    [InlineData("uux", "1 1 -")] // 2 of 3 do not quite, and are not few
    [InlineData("ux", "1 -")]
    [InlineData("uxx", "1! 1! 1!")]
    [InlineData("ugx", "1 1.14 -")] // the degraded can carry as well, and count
    [InlineData("uxt", "1! 1! 1!")]
    [InlineData("uxx uu", "1 - - 1 1")] // the next tier carries all: this one is left alone
    [InlineData("uxx xxu", "1! 1! 1! 1! 1! 1!")] // together they do not
    [InlineData("uxx ux", "1 - - 1 -")] // 0.47 and 0.7
    public void Below_the_share_all_of_the_tier_are_asked(string candidates, string parts) => Assert.Equal(parts, Chosen(candidates, new PanicOptions()));

    [Theory]
    [InlineData("uux", "1 1 -")]
    [InlineData("uxx", "-! -! -!")]
    [InlineData("uxt", "-! -! 1t!")] // it needs its one request to be found well
    [InlineData("xxx", "-! -! -!")]
    [InlineData("uxx xxu", "-! -! -! -! -! -!")]
    public void Or_none_where_that_is_wanted(string candidates, string parts) => Assert.Equal(parts, Chosen(candidates, FailFast));

    [Fact]
    public void What_the_degraded_get_is_what_the_healthy_cannot_carry() =>
        Gen.Select(Gen.Int[1, 20], Gen.Int[1, 20], Gen.Int[0, 20]).Sample((up, degraded, down) =>
        {
            var parts = Chosen([.. Enumerable.Repeat((0, Availability.Up), up), .. Enumerable.Repeat((0, Availability.Degraded), degraded), .. Enumerable.Repeat((0, Availability.Down), down)], new PanicOptions { Threshold = 0 });
            var (healthy, others) = (parts.Take(up).Sum(part => part.Share), parts.Skip(up).Sum(part => part.Share));
            Assert.Equal(Math.Min(1, 1.4 * up / (up + degraded + down)), healthy / (healthy + others), 9);
        });

    [Fact]
    public void More_healthy_ones_never_leave_less_to_serve() =>
        Gen.Select(Gen.Int[1, 8], Gen.Int[0, 8], Gen.Double[0, 1], Gen.Bool).Sample((up, down, threshold, all) =>
        {
            var panic = new PanicOptions { Threshold = threshold, Mode = all ? PanicMode.UseAll : PanicMode.FailFast };
            var parts = Chosen([.. Enumerable.Repeat((0, Availability.Up), up), .. Enumerable.Repeat((0, Availability.Down), down)], panic);
            var isInPanic = 1.4 * up / (up + down) < 1 && (double)up / (up + down) < threshold;
            Assert.All(parts.Take(up), part => Assert.Equal((all || !isInPanic, isInPanic), (part.Serves, part.IsInPanic)));
            Assert.All(parts.Skip(up), part => Assert.Equal((all && isInPanic, isInPanic), (part.Serves, part.IsInPanic)));
        });

    [Fact]
    public void A_pool_says_whether_it_is_in_panic_and_keeps_its_seats_by_it()
    {
        using var pool = new Pool("p", Some.Destinations("a", "b", "c"), PoolSettings.Default.With(FailFast));
        pool.Believe("a", "probe", Availability.Down);
        Assert.False(pool.Snapshot.IsInPanic);
        pool.Believe("b", "probe", Availability.Down);
        Assert.True(pool.Snapshot.IsInPanic);
        Assert.Equal(PickStatus.NoneLeft, pool.TryPick(out _));
        pool.Believe("b", "probe", Availability.Trial);
        Assert.True(pool.Snapshot.IsInPanic);
        using var trial = pool.Pick();
        Assert.Equal("b", trial.Member.Destination.Name);
        Assert.Equal(PickStatus.Full, pool.TryPick(out _)); // one at a time
    }

    [Fact]
    public void One_on_trial_gets_one_request_at_a_time_whatever_the_limit()
    {
        using var pool = new Pool("p", Some.Destinations("a", "b"), Some.Limit(5));
        pool.Believe("a", "probe", Availability.Trial);
        var leases = Enumerable.Range(0, 6).Select(_ => pool.Pick()).ToList();
        Assert.Equal((1, 5), (pool.Member("a").InFlight, pool.Member("b").InFlight));
        Assert.Equal(PickStatus.Full, pool.TryPick(out _));
        leases.First(lease => lease.Member.Destination.Name == "a").Dispose();
        Assert.Equal("a", pool.Pick().Member.Destination.Name);
    }

    private static string Chosen(string candidates, PanicOptions? panic)
    {
        var tiers = candidates.Split(' ').SelectMany((tier, number) => tier.Select(one => (number, one switch
        {
            'u' => Availability.Up,
            'g' => Availability.Degraded,
            't' => Availability.Trial,
            'd' => Availability.Draining,
            _ => Availability.Down,
        })));
        return string.Join(' ', Chosen([.. tiers], panic).Select(part => FormattableString.Invariant($"{(part.Serves ? $"{part.Share:0.##}" : "-")}{(part.IsOnTrial ? "t" : "")}{(part.IsInPanic ? "!" : "")}")));
    }

    private static Serving.Part[] Chosen((int, Availability)[] candidates, PanicOptions? panic) => Serving.Choose(candidates, panic);
}
