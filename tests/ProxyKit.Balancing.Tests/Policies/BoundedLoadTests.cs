using CsCheck;

namespace ProxyKit.Balancing.Tests.Policies;

public class BoundedLoadTests
{
    [Fact]
    public void No_member_is_taken_beyond_its_bound_even_by_one_hot_key() =>
        Gen.Select(Given.Weights, Gen.Double[1, 2], Gen.Int[0, 5].Array[200]).Sample(
            (weights, factor, steps) =>
            {
                using var pool = Pool(weights, new BoundedLoad { Factor = factor });
                var members = pool.Snapshot.Members;
                var held = new Queue<Lease>();
                for (var i = 0; i < steps.Length; i++)
                {
                    // Half of all requests are of one key; now and then one ends.
                    pool.TryPick(out var lease, i % 2 == 0 ? 1UL : (ulong)i);
                    held.Enqueue(lease);
                    var total = members.Sum(member => member.InFlight);
                    var bound = Math.Ceiling((factor * total * lease.Member.Weight / members.Sum(member => member.Weight)) + 1e-9); // 1.8 is no number of the machine's
                    Assert.InRange(lease.Member.InFlight, 1, bound);
                    if (steps[i] == 0)
                    {
                        held.Dequeue().Dispose();
                    }
                }
            },
            iter: 40);

    [Fact]
    public void With_nothing_in_flight_every_key_is_at_home() => Given.Weights.Sample(
        weights => Assert.Equal(new Maglev().Prepare(Given.Members(weights)).Map(300), new BoundedLoad(new Maglev()).Prepare(Given.Members(weights)).Map(300)),
        iter: 10);

    [Fact]
    public void The_keys_of_a_member_at_its_bound_go_on_to_many_others()
    {
        var members = Given.Members(Enumerable.Repeat(1, 10));
        var home = new Rendezvous().Prepare(members).Pick(new PickRequest(0, 0, 7))!.Destination.Name;
        var loaded = members.Select(member => Given.Member(member.Destination.Name, 1, member.Destination.Name == home ? 50 : 5)).ToArray();
        var (before, after) = (new Rendezvous().Prepare(loaded).Map(5000), new BoundedLoad().Prepare(loaded).Map(5000));
        var heirs = before.Zip(after).Where(moved => moved.First == home).CountBy(moved => moved.Second).ToDictionary(count => count.Key!, count => count.Value);
        Assert.DoesNotContain(home, heirs.Keys);
        Assert.Equal(9, heirs.Count);
        Assert.All(before.Zip(after).Where(moved => moved.First != home), moved => Assert.Equal(moved.First, moved.Second));
    }

    [Fact]
    public void The_bound_gives_way_when_only_those_tried_are_below_it()
    {
        Member[] members = [Given.Member("idle"), Given.Member("busy", inFlight: 40)];
        Assert.Equal("busy", new BoundedLoad().Prepare(members).Pick(new PickRequest(0, 0, 1, [members[0]]))!.Destination.Name);
    }

    [Fact]
    public void Faults_of_the_inner_policy_are_told_too() => Assert.Equal(
        ["Factor is 0.5; it must be 1 to 100, such as 1.25.", "The inner Maglev: TableSize is 8; it must be a prime from 3 to 5000011, such as 65537."],
        new BoundedLoad(new Maglev { TableSize = 8 }) { Factor = 0.5 }.Faults());

    private static Pool Pool(int[] weights, IBalancingPolicy policy) =>
        new("p", weights.Select((weight, i) => Given.Destination($"m{i}", weight)), PoolSettings.Default.With(policy), seed: 1);
}
