using CsCheck;

namespace ProxyKit.Balancing.Tests.Policies;

/// <summary>What all policies that hash promise of keys.</summary>
public class HashingTests
{
    private const int Keys = 2000;

    private static readonly Dictionary<string, Func<IBalancingPolicy>> All = new()
    {
        ["Rendezvous"] = () => new Rendezvous(),
        ["RingHash"] = () => new RingHash(),
        ["Maglev"] = () => new Maglev(),
        ["BoundedLoad"] = () => new BoundedLoad(),
    };

    public static TheoryData<string> Policies => [.. All.Keys];

    public static TheoryData<string> Consistent => ["Rendezvous", "RingHash", "BoundedLoad"];

    [Theory]
    [MemberData(nameof(Policies))]
    public void The_order_of_the_list_changes_nothing(string policy) => Gen.Select(Given.Weights, Gen.Int).Sample(
        (weights, seed) =>
        {
            var shuffled = Given.Members(weights);
            new Random(seed).Shuffle(shuffled);
            Assert.Equal(All[policy]().Prepare(Given.Members(weights)).Map(200), All[policy]().Prepare(shuffled).Map(200));
        },
        iter: 10);

    [Theory]
    [MemberData(nameof(Consistent))]
    public void Removing_a_member_moves_its_keys_alone(string policy) => Given.Weights.Where(weights => weights.Length > 1).Sample(
        weights =>
        {
            var members = Given.Members(weights);
            var (before, after) = (All[policy]().Prepare(members).Map(Keys), All[policy]().Prepare(members[1..]).Map(Keys));
            Assert.All(before.Zip(after), moved => Assert.True(moved.First == moved.Second || moved.First == members[0].Destination.Name));
        },
        iter: 20);

    [Theory]
    [MemberData(nameof(Consistent))]
    public void A_retry_goes_where_the_key_would_go_without_the_member_tried(string policy) => Given.Weights.Where(weights => weights.Length > 1).Sample(
        weights =>
        {
            var members = Given.Members(weights);
            Assert.Equal(All[policy]().Prepare(members[1..]).Map(500), All[policy]().Prepare(members).Map(500, members[0]));
        },
        iter: 20);

    [Theory]
    [MemberData(nameof(Policies))]
    public void The_keys_of_a_member_that_is_out_are_shared_by_all_the_others(string policy)
    {
        var members = Given.Members(Enumerable.Repeat(1, 10));
        var picker = All[policy]().Prepare(members);
        var before = picker.Map(20_000);
        var after = picker.Map(20_000, members[3]);
        var heirs = before.Zip(after).Where(moved => moved.First == "m003").GroupBy(moved => moved.Second!).ToDictionary(group => group.Key, group => group.Count());
        var mean = heirs.Values.Sum() / 9.0;
        Assert.Equal(9, heirs.Count);
        Assert.All(heirs.Values, count => Assert.InRange(count, mean * 0.4, mean * 1.8));
    }

    [Theory]
    [InlineData("Rendezvous", 0.0), InlineData("Maglev", 0.002), InlineData("RingHash", 0.5)]
    public void Shares_follow_the_weights(string policy, double slack) => Given.Weights.Sample(
        weights =>
        {
            var members = Given.Members(weights);
            var counts = All[policy]().Prepare(members).Map(20_000).CountBy(name => name).ToDictionary(count => count.Key!, count => count.Value);
            var total = members.Sum(member => member.Weight);
            foreach (var member in members)
            {
                var share = member.Weight / total;
                var allowed = (5 * Math.Sqrt(20_000 * share * (1 - share))) + 1 + (20_000 * share * slack);
                Assert.InRange(counts.GetValueOrDefault(member.Destination.Name), (20_000 * share) - allowed, (20_000 * share) + allowed);
            }
        },
        iter: 20);

    [Theory]
    [InlineData("Rendezvous"), InlineData("RingHash")]
    public void More_weight_draws_keys_and_moves_none_between_the_others(string policy) => Given.Weights.Sample(
        weights =>
        {
            var before = All[policy]().Prepare(Given.Members(weights)).Map(Keys);
            var after = All[policy]().Prepare(Given.Members([weights[0] + 3, .. weights[1..]])).Map(Keys);
            Assert.All(before.Zip(after), moved => Assert.True(moved.First == moved.Second || moved.Second == "m000"));
        },
        iter: 20);

    [Theory]
    [InlineData("Rendezvous"), InlineData("Maglev")]
    public void Doubling_all_weights_moves_no_key(string policy) => Given.Weights.Sample(
        weights => Assert.Equal(All[policy]().Prepare(Given.Members(weights)).Map(300), All[policy]().Prepare(Given.Members(weights.Select(weight => weight * 2))).Map(300)),
        iter: 10);

    [Theory]
    [MemberData(nameof(Policies))]
    public void Without_a_key_chance_decides(string policy)
    {
        var members = Given.Members(1, 1, 1, 1);
        Assert.Equal(4, All[policy]().Prepare(members).Draw(1000).Count);
    }

    [Fact]
    public void The_fast_search_finds_whom_the_slow_one_finds() => Gen.Select(Gen.Int[1, 8].Array[1, 70], Gen.ULong, Gen.Bool).Sample(
        (weights, key, equal) =>
        {
            var table = new RendezvousTable(Given.Members(equal ? weights.Select(_ => 1) : weights));
            var scrambled = WeightedDraw.Mix(key);
            var slow = Enumerable.Range(0, weights.Length).MinBy(i => table.Cost(scrambled, i));
            Assert.Same(table.Members[slow], table.Pick(key, new PickRequest(0, 0)));
        },
        iter: 5000);
}
