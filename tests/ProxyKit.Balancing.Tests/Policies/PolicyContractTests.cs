using CsCheck;

using Microsoft.Extensions.Time.Testing;

namespace ProxyKit.Balancing.Tests.Policies;

/// <summary>What every policy promises, whatever it is.</summary>
public class PolicyContractTests
{
    private static readonly Dictionary<string, Func<IBalancingPolicy>> All = new()
    {
        ["WeightedRandom"] = () => new WeightedRandom(),
        ["LeastRequests"] = () => new LeastRequests(),
        ["PeakEwma"] = () => new PeakEwma(),
        ["Rendezvous"] = () => new Rendezvous(),
        ["RingHash"] = () => new RingHash(),
        ["Maglev"] = () => new Maglev { TableSize = 1009 },
        ["BoundedLoad"] = () => new BoundedLoad(),
        ["BoundedLoad of RingHash"] = () => new BoundedLoad(new RingHash { PointsPerWeight = 20 }) { Factor = 1 },
        ["First"] = () => new First(),
        ["PriorityTiers"] = () => new PriorityTiers(),
        ["PriorityTiers of Rendezvous"] = () => new PriorityTiers(new Rendezvous()),
        ["PreferZone"] = () => new PreferZone { Zone = "a", MinMembers = 2 },
        ["LabelSubset"] = () => new LabelSubset { Labels = { ["version"] = "1" }, Fallback = SubsetFallback.Any },
        ["ClientSubset by identity"] = () => new ClientSubset { Client = "c", Size = 3 },
        ["ClientSubset by index"] = () => new ClientSubset { Index = 1, Clients = 3, Size = 3 },
        ["BoundedLoad in PriorityTiers in PreferZone"] = () => new PreferZone(new PriorityTiers(new BoundedLoad())) { Zone = "b", MinMembers = 1 },
    };

    public static TheoryData<string> Policies => [.. All.Keys];

    // A pool of up to 9 members of which some are full, and a request that has tried some.
    private static readonly Gen<(Destination[] Destinations, bool[] Full, bool[] Tried, ulong Random, ulong? Key)> Cases =
        Gen.Select(Gen.Int[1, 5], Gen.Int[0, 2], Gen.Int[0, 2], Gen.Int[1, 2], Gen.Bool, Gen.Bool).Array[1, 9].SelectMany(members =>
            Gen.Select(Gen.ULong, Gen.ULong.Nullable(), (random, key) => (
                members.Select((member, i) => Given.Destination($"m{i}", member.Item1, member.Item2, ((char)('a' + member.Item3)).ToString(), $"{member.Item4}")).ToArray(),
                members.Select(member => member.Item5).ToArray(),
                members.Select(member => member.Item6).ToArray(),
                random,
                key)));

    [Theory]
    [MemberData(nameof(Policies))]
    public void Someone_untried_with_a_seat_free_is_picked_whenever_there_is_one(string policy) => Cases.Sample(
        it =>
        {
            using var pool = new Pool("p", it.Destinations, PoolSettings.Default.With(All[policy]()).With(new LimitOptions { MaxPerDestination = 1 }), seed: 1);
            var snapshot = pool.Snapshot;
            for (var i = 0; i < it.Full.Length; i++)
            {
                if (it.Full[i])
                {
                    Assert.Equal(PickStatus.Picked, pool.TryPick(out _, preferred: snapshot.Members[i]));
                }
            }

            Member[] tried = [.. snapshot.Members.Where((_, i) => it.Tried[i])];
            var request = new PickRequest(3, it.Random, it.Key, tried);
            var free = snapshot.Members.Where((_, i) => !it.Full[i] && !it.Tried[i]).ToList();
            var picked = snapshot.Picker.Pick(request);
            Assert.Equal(free.Count == 0, picked is null);
            Assert.True(picked is null || free.Contains(picked));
            Assert.True(picked is null || snapshot.Picker.Explain(request, picked).Length > 0);
        },
        iter: 300);

    [Theory]
    [MemberData(nameof(Policies))]
    public void Equal_questions_get_equal_answers(string policy) => Cases.Sample(
        it =>
        {
            var (one, two) = (All[policy]().Prepare(it.Destinations.Select(Fresh)), All[policy]().Prepare(it.Destinations.Select(Fresh)));
            var request = new PickRequest(5, it.Random, it.Key);
            Assert.Equal(one.Pick(request)?.Destination.Name, two.Pick(request)?.Destination.Name);
            Assert.Same(one.Pick(request), one.Pick(request));
        },
        iter: 100);

    [Theory]
    [MemberData(nameof(Policies))]
    public void A_pick_allocates_nothing(string policy)
    {
        var members = Enumerable.Range(0, 12).Select(i => new Member(Given.Destination($"m{i}", 1 + (i % 3), i % 2, i % 2 == 0 ? "a" : "b", $"{i % 2}"), inFlight: i)).ToArray();
        var picker = All[policy]().Prepare(members);
        Member[] tried = [members[1], members[4]];
        Round();
        var before = GC.GetAllocatedBytesForCurrentThread();
        Round();
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);

        void Round()
        {
            for (var i = 0UL; i < 500; i++)
            {
                picker.Pick(new PickRequest(i, WeightedDraw.Mix(i), i % 2 == 0 ? i : null, i % 3 == 0 ? tried : default));
            }
        }
    }

    [Theory]
    [MemberData(nameof(Policies))]
    public void An_empty_pool_has_nobody(string policy) => Assert.Null(All[policy]().Prepare().Pick(new PickRequest(0, 0, 1)));

    [Theory]
    [MemberData(nameof(Policies))]
    public void All_seats_come_back_when_many_threads_pick_and_leave(string policy)
    {
        using var pool = new Pool("p", Enumerable.Range(0, 5).Select(i => Given.Destination($"m{i}", 1 + i, i % 2, "a", "1")), PoolSettings.Default.With(All[policy]()).With(new LimitOptions { MaxPerDestination = 3 }), seed: 1);
        Parallel.For(0, 2000, i =>
        {
            if (pool.TryPick(out var lease, (ulong)i) == PickStatus.Picked)
            {
                Assert.InRange(lease.Member.InFlight, 1, 4); // one over the limit for the moment between taking a seat and giving it back
                lease.Dispose();
            }
        });
        Assert.All(pool.Snapshot.Members, member => Assert.Equal(0, member.InFlight));
    }

    // On a clock that stands still: what has no sample yet fades from when it was first seen.
    private static Member Fresh(Destination destination) => new(destination, time: new FakeTimeProvider());
}
