using CsCheck;

namespace ProxyKit.Tests.Balancing;

public class PowerOfTwoTests
{
    private static readonly Gen<(int Weight, int Load)[]> Loads = Gen.Select(Gen.Int[1, 256], Gen.Int[0, 50]).Array[2, 20];

    [Fact]
    public void The_only_busiest_is_never_picked() =>
        Gen.Select(Loads, Gen.ULong).Sample((loads, random) =>
        {
            var members = Members(loads);
            var busiest = members.MaxBy(Cost)!;
            if (busiest.InFlight > 0 && members.Count(member => Cost(member) == Cost(busiest)) == 1)
            {
                Assert.NotSame(busiest, Pick(members, random));
            }

            static double Cost(Member member) => (member.InFlight + 1) / member.Weight;
        });

    [Fact]
    public void Of_two_the_busier_is_never_picked()
    {
        var members = Members([(1, 1), (1, 2)]);
        Assert.All(Enumerable.Range(0, 10_000), i => Assert.Same(members[0], Pick(members, WeightedDraw.Mix((ulong)i))));
    }

    [Fact]
    public void Somebody_is_picked_while_anybody_is_left_and_nobody_else_ever() =>
        Gen.Select(Loads, Gen.ULong, Gen.Int).Sample((loads, random, mask) =>
        {
            var members = Members(loads);
            Member[] tried = [.. members.Where((_, i) => (mask & (1 << i)) != 0)];
            var picked = Pick(members, random, tried);
            Assert.Equal(tried.Length == members.Length, picked is null);
            Assert.DoesNotContain(picked, tried);
        });

    [Fact]
    public void An_idle_pool_is_shared_by_weight()
    {
        var members = Members([(1, 0), (2, 0), (5, 0)]);
        var counts = Enumerable.Range(0, 80_000).CountBy(i => Pick(members, WeightedDraw.Mix((ulong)i))!.Weight).ToDictionary();
        Assert.Equal(10_000, counts[1], 500.0);
        Assert.Equal(20_000, counts[2], 700.0);
        Assert.Equal(50_000, counts[5], 700.0);
    }

    [Fact]
    public void A_small_member_does_not_take_over_because_the_large_one_has_a_little_to_do()
    {
        var members = Members([(10, 1), (1, 0)]);
        Assert.All(Enumerable.Range(0, 1_000), i => Assert.Same(members[0], Pick(members, WeightedDraw.Mix((ulong)i))));
    }

    [Fact]
    public void Requests_that_stay_spread_evenly()
    {
        using var pool = new Pool("p", Enumerable.Range(0, 100).Select(i => new Destination($"{i}", new Uri("http://a"))), seed: 5);
        for (var i = 0; i < 20_000; i++)
        {
            pool.TryPick(out _);
        }

        Assert.InRange(pool.Snapshot.Members.Max(member => member.InFlight), 200, 203); // chance alone would reach some 240
    }

    [Fact]
    public void One_alone_is_picked()
    {
        var members = Members([(1, 9)]);
        Assert.Same(members[0], Pick(members, 0));
        Assert.Null(Pick([], 0));
    }

    [Fact]
    public void It_says_whom_it_drew_or_that_neither_could_serve()
    {
        var members = Members([(1, 0), (1, 3), (1, 2)]);
        var picker = new PowerOfTwo().Prepare(new PoolSnapshot(members));
        for (var random = 0UL; random < 100; random++)
        {
            var any = new PickRequest(0, WeightedDraw.Mix(random));
            Assert.Matches("^drew [012] at load [023] and [012] at load [023]$", picker.Explain(any, picker.Pick(any)!));
            var last = new PickRequest(0, WeightedDraw.Mix(random), tried: members.AsSpan(0, 2));
            Assert.Matches("(drew . at load . and . at load .|drew [01] and [01], which were tried or full; of the rest it is the least busy, at load 2)$", picker.Explain(last, picker.Pick(last)!));
        }
    }

    private static Member[] Members((int Weight, int Load)[] loads) =>
        [.. loads.Select((each, i) => new Member(new Destination($"{i}", new Uri("http://a")) { Weight = each.Weight }, each.Load))];

    private static Member? Pick(Member[] members, ulong random, params Member[] tried) =>
        new PowerOfTwo().Prepare(new PoolSnapshot(members)).Pick(new PickRequest(0, random, tried: tried));
}
