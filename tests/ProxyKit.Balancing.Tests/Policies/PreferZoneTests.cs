using CsCheck;

namespace ProxyKit.Balancing.Tests.Policies;

public class PreferZoneTests
{
    private static readonly Gen<(double[] Capacities, double[] Origins)> Zones =
        Gen.Int[1, 6].SelectMany(count => Gen.Select(Gen.Int[0, 20].Array[count], Gen.Int[1, 20].Array[count]))
            .Where(zones => zones.Item1.Sum() > 0)
            .Select(zones => (Parts(zones.Item1), Parts(zones.Item2)));

    [Fact]
    public void Every_zone_carries_its_fair_share_when_all_gateways_do_so() => Zones.Sample((capacities, origins) =>
    {
        var carried = new double[capacities.Length];
        for (var own = 0; own < origins.Length; own++)
        {
            var shares = PreferZone.Shares(capacities, origins, own);
            for (var zone = 0; zone < shares.Length; zone++)
            {
                carried[zone] += origins[own] * shares[zone];
            }
        }

        Assert.All(carried.Zip(capacities), zone => Assert.Equal(zone.Second, zone.First, 1e-9));
    }, iter: 100_000);

    [Fact]
    public void As_much_stays_as_the_own_zone_can_carry() => Zones.Sample((capacities, origins) =>
    {
        var shares = PreferZone.Shares(capacities, origins, 0);
        Assert.Equal(Math.Min(1, capacities[0] / origins[0]), shares[0], 12);
        Assert.Equal(1, shares.Sum(), 9);
        Assert.All(shares, share => Assert.InRange(share, 0, 1.000000001));
    });

    [Fact]
    public void Balanced_zones_keep_everything_at_home()
    {
        using var pool = Pool(3, 3, 3);
        Assert.Equal(["a"], ZonesUsed(pool));
    }

    [Fact]
    public void A_small_zone_spills_by_the_formula()
    {
        // Of 10 members the own zone has 2 and, of two zones, half of the traffic: 0.2 / 0.5 stays.
        using var pool = Pool(2, 8);
        var counts = pool.Snapshot.Picker.Draw(10_000);
        Assert.InRange(counts.Where(count => count.Key[0] == 'a').Sum(count => count.Value), 3800, 4200);
    }

    [Fact]
    public void A_zone_that_is_down_spills_everything()
    {
        using var pool = Pool(3, 3, 3);
        Down(pool, "a");
        Assert.Equal(["b", "c"], ZonesUsed(pool));
    }

    [Fact]
    public void Half_the_own_zone_down_spills_a_share_to_each_other_zone()
    {
        using var pool = Pool(4, 4, 4);
        pool.SetAvailable("a0", "test", available: false);
        pool.SetAvailable("a1", "test", available: false);
        var counts = pool.Snapshot.Picker.Draw(20_000).GroupBy(count => count.Key[..1]).ToDictionary(zone => zone.Key, zone => zone.Sum(count => count.Value));
        // 2 of 10 are left where a third of the traffic starts: 60 % stays, the rest is halved.
        Assert.InRange(counts["a"], 11_600, 12_400);
        Assert.InRange(counts["b"], 3700, 4300);
        Assert.InRange(counts["c"], 3700, 4300);
    }

    [Fact]
    public void Origins_say_where_traffic_starts()
    {
        using var pool = Pool(new PreferZone { Zone = "a", Origins = { ["a"] = 0.8, ["b"] = 0.2 } }, 4, 4);
        var counts = pool.Snapshot.Picker.Draw(10_000);
        Assert.InRange(counts.Where(count => count.Key[0] == 'a').Sum(count => count.Value), 6050, 6450);
    }

    [Fact]
    public void Below_the_least_size_zones_do_not_matter()
    {
        using var pool = Pool(2, 3);
        Given.SharedByWeight(pool.Snapshot.Picker.Draw(10_000), pool.Snapshot.Members);
    }

    [Fact]
    public void Faults_are_told_with_value_and_cure() => Assert.Equal(
        [
            "Zone is empty; set it to the zone that this gateway stands in.",
            "MinMembers is 0; it must be 1 or more.",
            "Origins is a 0.5, b 0.2; the shares must be 0 or more and add up to 1.",
        ],
        new PreferZone { MinMembers = 0, Origins = { ["a"] = 0.5, ["b"] = 0.2 } }.Faults());

    private static double[] Parts(int[] counts) => [.. counts.Select(count => (double)count / counts.Sum())];

    private static void Down(Pool pool, string zone) => pool.Snapshot.Members.Where(member => member.Destination.Zone == zone).ToList()
        .ForEach(member => pool.SetAvailable(member.Destination.Name, "test", available: false));

    private static List<string> ZonesUsed(Pool pool) => [.. pool.Snapshot.Picker.Draw(1000).Keys.Select(name => name[..1]).Distinct().Order()];

    private static Pool Pool(params int[] sizes) => Pool(new PreferZone(new WeightedRandom()) { Zone = "a" }, sizes);

    private static Pool Pool(PreferZone policy, params int[] sizes) => new(
        "p",
        sizes.SelectMany((size, zone) => Enumerable.Range(0, size).Select(i => Given.Destination($"{(char)('a' + zone)}{i}", zone: ((char)('a' + zone)).ToString()))),
        PoolSettings.Default.With(policy),
        seed: 1);
}
