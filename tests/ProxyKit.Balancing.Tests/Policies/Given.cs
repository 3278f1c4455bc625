using System.Collections.Immutable;

using CsCheck;

namespace ProxyKit.Balancing.Tests.Policies;

/// <summary>Members and requests as the tests of policies need them.</summary>
internal static class Given
{
    public static readonly Gen<int[]> Weights = Gen.Int[1, 8].Array[1, 12];

    public static Destination Destination(string name, int weight = 1, int priority = 0, string? zone = null, string? version = null) =>
        new(name, new Uri($"http://{name}.test:80"))
        {
            Weight = weight,
            Priority = priority,
            Zone = zone,
            Labels = version is null ? ImmutableSortedDictionary<string, string>.Empty : ImmutableSortedDictionary<string, string>.Empty.Add("version", version),
        };

    public static Member Member(string name, int weight = 1, int inFlight = 0) => new(Destination(name, weight), inFlight);

    public static Member[] Members(params IEnumerable<int> weights) => [.. weights.Select((weight, i) => Member($"m{i:d3}", weight))];

    public static IPicker Prepare(this IBalancingPolicy policy, params IEnumerable<Member> members) => policy.Prepare(new PoolSnapshot(members));

    /// <summary>How a picker sends the keys 0, 1, 2, … to names.</summary>
    public static string[] Map(this IPicker picker, int keys, params Member[] tried) =>
        [.. Enumerable.Range(0, keys).Select(key => picker.Pick(new PickRequest(0, 0, (ulong)key, tried))!.Destination.Name)];

    /// <summary>How often each name was picked over so many draws of chance.</summary>
    public static Dictionary<string, int> Draw(this IPicker picker, int draws, params Member[] tried) =>
        Enumerable.Range(0, draws).Select(i => picker.Pick(new PickRequest((ulong)i, WeightedDraw.Mix((ulong)i), null, tried))!.Destination.Name)
            .GroupBy(name => name).ToDictionary(group => group.Key, group => group.Count());

    /// <summary>Fails unless every count is within 5 standard deviations of its share by weight.</summary>
    public static void SharedByWeight(IReadOnlyDictionary<string, int> counts, IEnumerable<Member> members)
    {
        var (all, total) = (members.ToList(), counts.Values.Sum());
        var weights = all.Sum(member => member.Weight);
        foreach (var member in all)
        {
            var share = member.Weight / weights;
            var allowed = (5 * Math.Sqrt(total * share * (1 - share))) + 1;
            Assert.InRange(counts.GetValueOrDefault(member.Destination.Name), (total * share) - allowed, (total * share) + allowed);
        }
    }
}
