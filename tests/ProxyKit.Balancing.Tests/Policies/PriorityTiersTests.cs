using CsCheck;

namespace ProxyKit.Balancing.Tests.Policies;

public class PriorityTiersTests
{
    // Envoy's documentation, "Priority levels": healthy percent by tier, and the percent of traffic that each gets.
    [Theory]
    [InlineData(new[] { 100, 100 }, new[] { 100, 0 })]
    [InlineData(new[] { 72, 72 }, new[] { 100, 0 })]
    [InlineData(new[] { 71, 71 }, new[] { 99, 1 })]
    [InlineData(new[] { 50, 50 }, new[] { 70, 30 })]
    [InlineData(new[] { 25, 100 }, new[] { 35, 65 })]
    [InlineData(new[] { 25, 25 }, new[] { 50, 50 })]
    [InlineData(new[] { 100, 100, 100 }, new[] { 100, 0, 0 })]
    [InlineData(new[] { 72, 72, 100 }, new[] { 100, 0, 0 })]
    [InlineData(new[] { 71, 71, 100 }, new[] { 99, 1, 0 })]
    [InlineData(new[] { 50, 50, 100 }, new[] { 70, 30, 0 })]
    [InlineData(new[] { 25, 100, 100 }, new[] { 35, 65, 0 })]
    [InlineData(new[] { 25, 25, 100 }, new[] { 35, 35, 30 })]
    [InlineData(new[] { 25, 25, 20 }, new[] { 36, 36, 28 })]
    public void Loads_are_those_of_Envoys_table(int[] healthy, int[] loads)
    {
        var found = PriorityTiers.Loads([.. healthy.Select(percent => percent / 100.0)], 1.4);
        Assert.All(found.Zip(loads), load => Assert.InRange(load.First * 100, load.Second - 0.6, load.Second + 0.6));
    }

    [Fact]
    public void Loads_add_up_to_everything() => Gen.Double[0, 1].Array[1, 6].Sample(healthy =>
        Assert.Equal(1, PriorityTiers.Loads(healthy, 1.4).Sum(), 9));

    [Fact]
    public void More_healthy_members_in_the_first_tier_never_lower_its_load() =>
        Gen.Select(Gen.Double[0, 1].Array[1, 5], Gen.Double[0, 1]).Sample((healthy, other) =>
        {
            double[] better = [Math.Max(healthy[0], other), .. healthy[1..]];
            Assert.InRange(PriorityTiers.Loads(better, 1.4)[0], PriorityTiers.Loads(healthy, 1.4)[0] - 1e-12, 1);
        });

    [Fact]
    public void Half_a_tier_down_keeps_70_percent_there()
    {
        using var pool = Pool(new PriorityTiers());
        Assert.Equal([0], Tiers(pool));
        pool.SetAvailable("p0-0", "test", available: false);
        pool.SetAvailable("p0-1", "test", available: false);
        var counts = pool.Snapshot.Picker.Draw(10_000).GroupBy(count => count.Key[..2]).ToDictionary(tier => tier.Key, tier => tier.Sum(count => count.Value));
        Assert.InRange(counts["p0"], 6800, 7200);
        Assert.Equal(10_000, counts["p0"] + counts["p1"]);
    }

    [Fact]
    public void One_taken_out_on_purpose_is_not_missed()
    {
        using var pool = Pool(new PriorityTiers());
        pool.SetState("p0-0", MemberState.Off);
        pool.SetState("p0-1", MemberState.Draining);
        Assert.Equal([0], Tiers(pool));
    }

    [Fact]
    public void A_tier_that_is_down_is_passed_over_and_with_all_down_the_first_tier_serves()
    {
        using var pool = Pool(new PriorityTiers());
        pool.Snapshot.Members.Where(member => member.Destination.Priority != 1).ToList().ForEach(member => pool.SetAvailable(member.Destination.Name, "test", available: false));
        Assert.Equal([1], Tiers(pool));
        pool.Snapshot.Members.ToList().ForEach(member => pool.SetAvailable(member.Destination.Name, "test", available: false));
        Assert.Equal([0], Tiers(pool));
    }

    [Fact]
    public void A_tier_whose_members_were_all_tried_hands_on_to_the_next()
    {
        using var pool = Pool(new PriorityTiers());
        Member[] tried = [.. pool.Snapshot.Members.Where(member => member.Destination.Priority == 0)];
        Assert.All(pool.Snapshot.Picker.Draw(200, tried).Keys, name => Assert.StartsWith("p1", name, StringComparison.Ordinal));
    }

    [Fact]
    public void A_key_stays_in_its_tier_and_at_its_member()
    {
        using var pool = Pool(new PriorityTiers(new Rendezvous()));
        pool.SetAvailable("p0-0", "test", available: false);
        pool.SetAvailable("p0-1", "test", available: false);
        var picker = pool.Snapshot.Picker;
        Gen.Select(Gen.ULong, Gen.ULong, Gen.ULong).Sample((key, one, two) =>
            Assert.Same(picker.Pick(new PickRequest(one, two, key)), picker.Pick(new PickRequest(two, one, key))));
        Assert.InRange(picker.Map(5000).Count(name => name!.StartsWith("p0", StringComparison.Ordinal)), 3300, 3700);
    }

    private static List<int> Tiers(Pool pool) =>
        [.. pool.Snapshot.Picker.Draw(500).Keys.Select(name => pool.Snapshot.Find(name)!.Destination.Priority).Distinct().Order()];

    private static Pool Pool(IBalancingPolicy policy) => new(
        "p", Enumerable.Range(0, 3).SelectMany(tier => Enumerable.Range(0, 4).Select(i => Given.Destination($"p{tier}-{i}", priority: tier))), PoolSettings.Default.With(policy), seed: 1);
}
