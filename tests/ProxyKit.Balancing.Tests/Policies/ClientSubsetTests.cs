using CsCheck;

namespace ProxyKit.Balancing.Tests.Policies;

public class ClientSubsetTests
{
    private static readonly Gen<(int Members, int Clients, int Size)> Fleets =
        Gen.Select(Gen.Int[2, 60], Gen.Int[1, 60], Gen.Int[1, 20]).Where(it => it.Item3 < it.Item1);

    [Fact]
    public void Every_member_serves_equally_many_clients_to_within_one() => Fleets.Sample((members, clients, size) =>
    {
        var served = Subsets(members, clients, size).SelectMany(subset => subset).CountBy(name => name).ToDictionary();
        var counts = Given.Members(Enumerable.Repeat(1, members)).Select(member => served.GetValueOrDefault(member.Destination.Name)).ToList();
        Assert.InRange(counts.Max() - counts.Min(), 0, 1 + (members > clients * size ? 0 : 1));
        Assert.True(clients * size < members || counts.Min() > 0);
    });

    [Fact]
    public void Adding_a_member_changes_at_most_two_in_each_subset() => Fleets.Sample((members, clients, size) =>
        Assert.All(
            Subsets(members, clients, size).Zip(Subsets(members + 1, clients, size)),
            subset => Assert.InRange(subset.Second.Except(subset.First).Count(), 0, 2)));

    [Fact]
    public void By_identity_adding_a_member_changes_at_most_one_as_well() => Gen.Select(Gen.Int[2, 60], Gen.Int[1, 20], Gen.String).Sample((count, size, client) =>
    {
        var policy = new ClientSubset { Client = client, Size = size };
        var (before, after) = (Names(policy.Subset(Given.Members(Enumerable.Repeat(1, count)))), Names(policy.Subset(Given.Members(Enumerable.Repeat(1, count + 1)))));
        Assert.InRange(after.Except(before).Count(), 0, 1);
    });

    [Fact]
    public void By_identity_clients_spread_over_all_members()
    {
        var members = Given.Members(Enumerable.Repeat(1, 50));
        var served = Enumerable.Range(0, 500).SelectMany(i => Names(new ClientSubset { Client = $"client-{i}" }.Subset(members))).CountBy(name => name).ToDictionary();
        Assert.Equal(50, served.Count);
        Assert.All(served.Values, count => Assert.InRange(count, 200 - 60, 200 + 60)); // ±5 standard deviations of 11 to 12
    }

    [Fact]
    public void Twenty_serve_and_the_rest_only_when_they_cannot()
    {
        var members = Given.Members(Enumerable.Repeat(1, 30));
        var picker = new ClientSubset { Client = "c" }.Prepare(members);
        var used = picker.Draw(3000).Keys.ToHashSet();
        Assert.Equal(20, used.Count);
        Assert.DoesNotContain(picker.Draw(300, [.. members.Where(member => used.Contains(member.Destination.Name))]).Keys, used.Contains);
    }

    [Fact]
    public void An_index_beyond_the_clients_is_refused() =>
        Assert.Equal(["Index is 3; it must be 0 to Clients - 1, which is 2."], new ClientSubset { Index = 3, Clients = 3 }.Faults());

    private static List<List<string>> Subsets(int members, int clients, int size) =>
        [.. Enumerable.Range(0, clients).Select(i => Names(new ClientSubset { Index = i, Clients = clients, Size = size }.Subset(Given.Members(Enumerable.Repeat(1, members)))))];

    private static List<string> Names(IEnumerable<Member> members) => [.. members.Select(member => member.Destination.Name)];
}
