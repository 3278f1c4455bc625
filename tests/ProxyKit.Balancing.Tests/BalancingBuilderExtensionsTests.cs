using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;

using ProxyKit.Balancing.Tests.Sources;

namespace ProxyKit.Balancing.Tests;

public class BalancingBuilderExtensionsTests
{
    [Theory]
    [InlineData("WeightedRandom", typeof(WeightedRandom))]
    [InlineData("LeastRequests", typeof(LeastRequests))]
    [InlineData("PeakEwma", typeof(PeakEwma))]
    [InlineData("Rendezvous", typeof(Rendezvous))]
    [InlineData("RingHash", typeof(RingHash))]
    [InlineData("Maglev", typeof(Maglev))]
    [InlineData("BoundedLoad", typeof(BoundedLoad))]
    [InlineData("First", typeof(First))]
    [InlineData("PriorityTiers", typeof(PriorityTiers))]
    [InlineData("ClientSubset", typeof(ClientSubset))]
    public void Every_policy_has_its_name(string name, Type type) => Assert.IsType(type, Policy(("Policy", name)));

    [Fact]
    public void Options_of_policies_are_read()
    {
        var ewma = Assert.IsType<PeakEwma>(Policy(("Policy:Name", "PeakEwma"), ("Policy:Decay", "00:00:03"), ("Policy:DefaultLatency", "00:00:00.5")));
        Assert.Equal((TimeSpan.FromSeconds(3), TimeSpan.FromSeconds(0.5)), (ewma.Decay, ewma.DefaultLatency));
        var ring = Assert.IsType<RingHash>(Policy(("Policy:Name", "RingHash"), ("Policy:PointsPerWeight", "7"), ("Policy:MinPoints", "8"), ("Policy:MaxPoints", "9")));
        Assert.Equal((7, 8, 9), (ring.PointsPerWeight, ring.MinPoints, ring.MaxPoints));
        Assert.Equal(101, Assert.IsType<Maglev>(Policy(("Policy:Name", "Maglev"), ("Policy:TableSize", "101"))).TableSize);
        Assert.Equal(2, Assert.IsType<BoundedLoad>(Policy(("Policy:Name", "BoundedLoad"), ("Policy:Factor", "2"))).Factor);
        Assert.Equal(3, Assert.IsType<PriorityTiers>(Policy(("Policy:Name", "PriorityTiers"), ("Policy:Overprovisioning", "3"))).Overprovisioning);
        var zone = Assert.IsType<PreferZone>(Policy(("Policy:Name", "PreferZone"), ("Policy:Zone", "a"), ("Policy:MinMembers", "2"), ("Policy:Origins:a", "0.25"), ("Policy:Origins:b", "0.75")));
        Assert.Equal(("a", 2, 0.25), (zone.Zone, zone.MinMembers, zone.Origins["a"]));
        var subset = Assert.IsType<LabelSubset>(Policy(("Policy:Name", "LabelSubset"), ("Policy:Labels:version", "2"), ("Policy:Fallback", "Any")));
        Assert.Equal(("2", SubsetFallback.Any), (subset.Labels["version"], subset.Fallback));
        var client = Assert.IsType<ClientSubset>(Policy(("Policy:Name", "ClientSubset"), ("Policy:Size", "5"), ("Policy:Client", "c"), ("Policy:Index", "1"), ("Policy:Clients", "4")));
        Assert.Equal((5, "c", 1, 4), (client.Size, client.Client, client.Index, client.Clients));
    }

    [Fact]
    public void Policies_stand_inside_one_another()
    {
        using var services = Services(
            ("Policy:Name", "PriorityTiers"), ("Policy:Inner:Name", "BoundedLoad"), ("Policy:Inner:Factor", "1.5"), ("Policy:Inner:Inner", "Maglev"), ("Destinations:a", "http://a:80"));
        var explained = services.GetRequiredService<PoolDirectory>().Find("orders").Explain(key: 1).Reason;
        Assert.Contains("tier 0", explained, StringComparison.Ordinal);
        Assert.Contains("of 65537", explained, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("Policy", "Maglw", "did you mean 'Maglev'?")]
    [InlineData("Policy:Name=Maglev;Policy:TableSize", "100", "TableSize is 100; it must be a prime")]
    [InlineData("Policy:Name=Maglev;Policy:Tablesise", "101", "did you mean 'TableSize'?")]
    [InlineData("Policy:Name=BoundedLoad;Policy:Inner:Name=Maglev;Policy:Inner:TableSize", "100", "Policy:Inner: TableSize is 100")]
    [InlineData("Policy:Name=PreferZone;Policy:MinMembers", "3", "Zone is empty; set it to the zone")]
    [InlineData("Dns:Port", "80", "Host is ''; it must be a name in DNS")]
    [InlineData("Dns:Hots", "a", "did you mean 'Host'?")]
    [InlineData("DnsSrv:Host=_a._tcp.b;DnsSrv:Port", "80", "SRV records bring their own ports")]
    [InlineData("ServiceDiscovery:Service", "", "Service is empty; name the service")]
    [InlineData("ServiceDiscovery:Service", "orders", "call services.AddServiceDiscovery()")]
    public void Faults_are_told_with_the_cure(string keys, string value, string told)
    {
        var pairs = $"{keys}={value}".Split(';').Select(pair => pair.Split('=')).Select(pair => (pair[0], pair[1])).ToArray();
        using var services = Services(pairs);
        Assert.Contains(told, Assert.Throws<InvalidOperationException>(() => services.GetRequiredService<PoolDirectory>()).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_reload_that_changes_nothing_of_the_source_leaves_it_alone_and_refreshable()
    {
        await using var dns = new DnsServer();
        dns.Addresses(30, "10.0.0.1");
        var time = new WatchedTime();
        var configuration = new ConfigurationManager();
        configuration["ProxyKit:Pools:orders:Dns:Host"] = "orders.svc";
        configuration["ProxyKit:Pools:orders:Dns:Port"] = "8080";
        configuration["ProxyKit:Pools:orders:Dns:Server"] = dns.Address;
        var collection = new ServiceCollection().AddSingleton<TimeProvider>(time);
        collection.AddProxyKit().AddBalancing().AddConfiguration(configuration.GetSection("ProxyKit"));
        await using var services = collection.BuildServiceProvider();
        var pools = services.GetRequiredService<PoolDirectory>();
        var pool = pools.Find("orders");
        await pools.WhenReadyAsync(pool, TestContext.Current.CancellationToken);
        Assert.Equal("10.0.0.1:8080", Assert.Single(pool.Snapshot.Members).Destination.Name);
        Assert.Equal(TimeSpan.FromSeconds(30), await time.NextWaitAsync());

        configuration["ProxyKit:Pools:orders:Policy"] = "First";
        ((IConfigurationRoot)configuration).Reload();
        Assert.IsType<First>(pool.Snapshot.Settings.Policy);
        Assert.Equal(2, dns.Asked); // one question for each family, and none since

        // The member cannot be reached: the source that is watched is told.
        pool.TryPick(out var lease);
        time.Advance(TimeSpan.FromSeconds(2));
        lease.Report(OutcomeKind.NotConnected);
        lease.Dispose();
        Assert.Equal(TimeSpan.FromSeconds(30), await time.NextWaitAsync());
        Assert.Equal(4, dns.Asked);
    }

    [Fact]
    public async Task Code_says_the_same_as_configuration()
    {
        await using var dns = new DnsServer();
        dns.Addresses(30, "10.0.0.1");
        dns.Services(30, (0, 1, 80, "a.svc."));
        var configuration = new ConfigurationManager();
        configuration["Services:orders:http:0"] = "10.0.0.9:80";
        var collection = new ServiceCollection().AddSingleton<IConfiguration>(configuration);
        collection.AddProxyKit().AddBalancing().AddBalancing()
            .AddPool("dns").WithDns(new DnsOptions { Host = "orders.svc", Port = 80, Server = dns.Address })
            .AddPool("srv").WithDnsSrv(new DnsOptions { Host = "_http._tcp.orders.svc", Server = dns.Address })
            .AddPool("discovery").WithServiceDiscovery("orders");
        await using var services = collection.BuildServiceProvider();
        var pools = services.GetRequiredService<PoolDirectory>();
        foreach (var (name, destination) in ((string, string)[])[("dns", "10.0.0.1"), ("srv", "a.svc:80"), ("discovery", "10.0.0.9")])
        {
            await pools.WhenReadyAsync(pools.Find(name), TestContext.Current.CancellationToken);
            Assert.Equal(destination, Assert.Single(pools.Find(name).Snapshot.Members).Destination.Name);
        }
    }

    [Fact]
    public void A_fault_in_code_is_told_at_the_callers_line()
    {
        var pool = new ServiceCollection().AddProxyKit().AddPool("orders");
        Assert.Throws<ArgumentException>(() => pool.WithDns("not a name"));
        Assert.Throws<ArgumentException>(() => pool.WithDnsSrv(""));
        Assert.Throws<ArgumentException>(() => pool.WithPolicy(new BoundedLoad { Factor = 0 }));
    }

    private static IBalancingPolicy Policy(params (string Key, string Value)[] pairs)
    {
        using var services = Services(pairs);
        return services.GetRequiredService<PoolDirectory>().Find("orders").Snapshot.Settings.Policy;
    }

    private static ServiceProvider Services(params (string Key, string Value)[] pairs)
    {
        var configuration = new ConfigurationBuilder()
            .AddInMemoryCollection(pairs.Select(pair => KeyValuePair.Create<string, string?>($"Pools:orders:{pair.Key}", pair.Value))).Build();
        var services = new ServiceCollection();
        services.AddProxyKit().AddBalancing().AddBalancing().AddConfiguration(configuration);
        return services.BuildServiceProvider();
    }
}
