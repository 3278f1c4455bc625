using CsCheck;

namespace ProxyKit.Tests.Balancing;

public class RoundRobinTests
{
    private static readonly Gen<int[]> Weights = Gen.Int[1, 40].Array[1, 8];

    [Fact]
    public void Five_one_one_mixes_as_nginx_does() =>
        Assert.Equal("aabacaa", string.Concat(Order([5, 1, 1], 7).Select(i => (char)('a' + i))));

    [Fact]
    public void Every_window_as_long_as_the_sum_of_weights_gives_each_exactly_its_weight() =>
        Gen.Select(Weights, Gen.Int[0, 1_000]).Sample((weights, start) =>
        {
            var common = weights.Aggregate((a, b) => (int)System.Numerics.BigInteger.GreatestCommonDivisor(a, b));
            var window = weights.Sum() / common;
            var picks = Order(weights, start + window).Skip(start).ToList();
            Assert.All(weights.Index(), weight => Assert.Equal(weight.Item / common, picks.Count(pick => pick == weight.Index)));
        });

    [Fact]
    public void No_prefix_is_much_more_than_a_turn_away_from_fair() =>
        Weights.Sample(weights =>
        {
            var total = (double)weights.Sum();
            var counts = new int[weights.Length];
            foreach (var (turn, pick) in Order(weights, weights.Sum()).Index())
            {
                counts[pick]++;
                Assert.All(weights.Index(), weight => Assert.InRange(counts[weight.Index] - ((turn + 1) * weight.Item / total), -1.25, 1.25));
            }
        });

    [Fact]
    public void Weights_times_a_constant_give_the_same_order() =>
        Gen.Select(Gen.Int[1, 20].Array[1, 6], Gen.Int[2, 12]).Sample((weights, factor) =>
            Assert.Equal(Order(weights, 100), Order([.. weights.Select(weight => weight * factor)], 100)));

    [Fact]
    public void Threads_together_are_as_exact_as_one()
    {
        using var pool = new Pool(
            "p",
            Members([5, 3, 1, 2]).Select(member => member.Destination),
            PoolSettings.Default.With(new RoundRobin()));
        var counts = new int[4];
        Parallel.For(0, 8, new ParallelOptions { CancellationToken = TestContext.Current.CancellationToken }, _ =>
        {
            for (var i = 0; i < 1_100; i++)
            {
                pool.TryPick(out var lease);
                Interlocked.Increment(ref counts[lease.Member.Destination.Name[0] - '0']);
                lease.Dispose();
            }
        });
        Assert.Equal([4_000, 2_400, 800, 1_600], counts);
    }

    [Fact]
    public void A_tried_member_gives_its_turn_to_the_next() =>
        Gen.Select(Weights, Gen.ULong, Gen.Int[0, 255]).Sample((weights, ticket, mask) =>
        {
            var members = Members(weights);
            Member[] tried = [.. members.Where((_, i) => (mask & (1 << i)) != 0)];
            var picked = new RoundRobin().Prepare(new PoolSnapshot(members)).Pick(new PickRequest(ticket, 0, tried: tried));
            Assert.Equal(tried.Length == members.Length, picked is null);
            Assert.DoesNotContain(picked, tried);
        });

    [Fact]
    public void Weights_beyond_the_longest_cycle_are_scaled_and_each_still_has_its_turn()
    {
        int[] weights = [.. Enumerable.Repeat(256, 40), 1];
        var counts = Order(weights, 5_000).CountBy(pick => pick).ToDictionary();
        Assert.Equal(41, counts.Count);
        Assert.InRange(counts[0], 110, 135);
        Assert.InRange(counts[40], 1, 3);
    }

    private static Member[] Members(int[] weights) => [.. weights.Select((weight, i) => new Member(new Destination($"{i}", new Uri("http://a")) { Weight = weight }))];

    private static IEnumerable<int> Order(int[] weights, int count)
    {
        var members = Members(weights);
        var picker = new RoundRobin().Prepare(new PoolSnapshot(members));
        return Enumerable.Range(0, count).Select(ticket => Array.IndexOf(members, picker.Pick(new PickRequest((ulong)ticket, 0))));
    }
}
