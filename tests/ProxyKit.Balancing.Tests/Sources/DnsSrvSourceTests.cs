using CsCheck;

namespace ProxyKit.Balancing.Tests.Sources;

public class DnsSrvSourceTests
{
    [Fact]
    public async Task Records_become_destinations_with_weight_and_tier()
    {
        await using var dns = new DnsServer();
        dns.Services(30, (20, 1, 81, "spare.svc."), (10, 3, 80, "b.svc."), (10, 1, 80, "a.svc."));
        var time = new WatchedTime();
        var source = new DnsSrvSource(new DnsOptions { Host = "_http._tcp.orders.svc", Server = dns.Address }, time);
        await using var sets = new Watching(source);
        await sets.NextAsync();
        Assert.Equal(
            [("a.svc:80", "http://a.svc/", 1, 0), ("b.svc:80", "http://b.svc/", 3, 0), ("spare.svc:81", "http://spare.svc:81/", 1, 1)],
            sets.Current.Select(destination => (destination.Name, destination.Address.ToString(), destination.Weight, destination.Priority)));

        var next = sets.NextAsync();
        Assert.Equal(TimeSpan.FromSeconds(30), await time.NextWaitAsync());
        dns.Services(30, (0, 0, 0, ".")); // decidedly not there
        time.Advance(TimeSpan.FromSeconds(30));
        Assert.Equal(TimeSpan.FromSeconds(1), await time.NextWaitAsync());
        Assert.False(next.IsCompleted);
    }

    [Fact]
    public void Weights_keep_their_ratios_and_never_leave_the_bounds() => Gen.Int[0, 65535].Array[1, 10].Sample(weights =>
    {
        var destinations = DnsSrvSource.Destinations([.. weights.Select((weight, i) => ($"t{i}", 80, 5, weight))], "http");
        Assert.All(destinations, destination => Assert.Empty(destination.Faults()));
        var heaviest = weights.Max();
        Assert.All(weights.Zip(destinations), pair => Assert.InRange(
            pair.Second.Weight, 1, heaviest == 0 ? 1 : Math.Max(1, Math.Max(pair.First, pair.First * 256.0 / heaviest) + 0.5)));
    });

    [Fact]
    public void A_weight_of_0_gets_little_beside_others_and_an_equal_share_among_its_like()
    {
        Assert.Equal([1, 256], Weights(0, 1));
        Assert.Equal([1, 1], Weights(0, 0));
        Assert.Equal([1, 2], Weights(1, 2));
    }

    [Fact]
    public void A_port_is_refused() =>
        Assert.Contains("Port is 80; SRV records bring their own", Assert.Throws<ArgumentException>(() => new DnsSrvSource(new DnsOptions { Host = "_a._tcp.b", Port = 80 })).Message, StringComparison.Ordinal);

    private static IEnumerable<int> Weights(params int[] weights) =>
        DnsSrvSource.Destinations([.. weights.Select((weight, i) => ($"t{i}", 80, 0, weight))], "http").Select(destination => destination.Weight);
}
