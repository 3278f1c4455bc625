using Microsoft.Extensions.DependencyInjection;

using ProxyKit.Tests.Configuration;
using ProxyKit.Tests.Pools;

namespace ProxyKit.Tests.Composition;

public class AddPoolTests
{
    private readonly ServiceCollection _services = new();

    [Fact]
    public void Pools_are_composed_one_after_the_other()
    {
        _services.AddProxyKit()
            .AddPool("orders", "http://10.0.0.1:8080", "http://10.0.0.2:8080")
                .WithPolicy(new RoundRobin())
                .WithLimits(new LimitOptions { MaxPerDestination = 2 })
                .WithSlowStart()
                .WithDrain(new DrainOptions { KeepSessions = true })
            .AddPool("users", Some.Destinations("u"));

        using var provider = _services.BuildServiceProvider();
        var pools = provider.GetRequiredService<PoolDirectory>();
        Assert.Equal(["orders", "users"], pools.Pools.Select(pool => pool.Name));
        var snapshot = pools.Find("orders").Snapshot;
        Assert.Equal(["10.0.0.1:8080", "10.0.0.2:8080"], snapshot.Members.Select(member => member.Destination.Name));
        Assert.IsType<RoundRobin>(snapshot.Settings.Policy);
        Assert.Equal(2, snapshot.Members[0].Limit);
        Assert.NotNull(snapshot.Settings.Get<SlowStartOptions>());
        Assert.Null(pools.Find("users").Snapshot.Settings.Get<DrainOptions>());
    }

    [Fact]
    public void A_pool_that_there_is_none_of_is_refused_with_those_there_are()
    {
        _services.AddProxyKit().AddPool("a").AddPool("b");
        using var provider = _services.BuildServiceProvider();
        var fault = Assert.Throws<KeyNotFoundException>(() => provider.GetRequiredService<PoolDirectory>().Find("c"));
        Assert.Equal("No pool is named 'c'. There are: 'a', 'b'.", fault.Message);
    }

    [Fact]
    public void Faults_are_told_at_the_line_that_has_them()
    {
        var builder = _services.AddProxyKit().AddPool("a", "http://a");
        Assert.Contains("'b' is no address", Assert.Throws<ArgumentException>(() => builder.AddPool("b", "b")).Message, StringComparison.Ordinal);
        Assert.Contains("was added before", Assert.Throws<ArgumentException>(() => builder.AddPool("a", "http://b")).Message, StringComparison.Ordinal);
        Assert.Contains("stands 2 times", Assert.Throws<ArgumentException>(() => builder.AddPool("c", "http://b", "http://b")).Message, StringComparison.Ordinal);
        Assert.Contains("QueueLength is -1", Assert.Throws<ArgumentException>(() => builder.WithLimits(new LimitOptions { QueueLength = -1 })).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => builder.AddPool(" "));
    }

    [Fact]
    public void Options_are_copied_where_they_are_handed_over()
    {
        var limits = new LimitOptions { MaxPerDestination = 2 };
        _services.AddProxyKit().AddPool("a", "http://a").WithLimits(limits);
        limits.MaxPerDestination = 99;
        using var provider = _services.BuildServiceProvider();
        Assert.Equal(2, provider.GetRequiredService<PoolDirectory>().Find("a").Snapshot.Members[0].Limit);
    }

    [Fact]
    public void A_host_with_keyed_services_may_have_pools()
    {
        _services.AddKeyedSingleton("key", "value");
        _services.AddProxyKit().AddPool("a").AddPool("b");
        using var provider = _services.BuildServiceProvider();
        Assert.Equal(2, provider.GetRequiredService<PoolDirectory>().Pools.Count);
    }

    [Fact]
    public void Adding_it_twice_is_adding_it_once()
    {
        _services.AddProxyKit().AddPool("a");
        _services.AddProxyKit().AddPool("b");
        using var provider = _services.BuildServiceProvider();
        Assert.Equal(2, provider.GetRequiredService<PoolDirectory>().Pools.Count);
    }

    [Fact]
    public void Code_wins_over_configuration_setting_by_setting_and_destinations_of_both_are_taken()
    {
        var json = new Json("""{ "a": { "Destinations": { "y": "http://y" }, "Policy": "RoundRobin", "Limits": { "MaxPerDestination": 5 }, "Drain": { "KeepSessions": true } } }""");
        _services.AddProxyKit().AddPool("a", "http://x").WithConfiguration(json.Root.GetSection("a")).WithPolicy(new PowerOfTwo()).WithLimits(new LimitOptions { MaxPerDestination = 2 });
        using var provider = _services.BuildServiceProvider();
        var pool = provider.GetRequiredService<PoolDirectory>().Find("a");
        Check();

        json.Rewrite("""{ "a": { "Destinations": { "y": "http://y", "z": "http://z" }, "Policy": "RoundRobin", "Limits": { "MaxPerDestination": 6 } } }""");
        Assert.Equal(["x", "y", "z"], pool.Snapshot.Members.Select(member => member.Destination.Name));
        Assert.Null(pool.Snapshot.Settings.Get<DrainOptions>());
        Assert.IsType<PowerOfTwo>(pool.Snapshot.Settings.Policy);
        Assert.Equal(2, pool.Snapshot.Members[0].Limit);

        void Check()
        {
            Assert.Equal(["x", "y"], pool.Snapshot.Members.Select(member => member.Destination.Name));
            Assert.IsType<PowerOfTwo>(pool.Snapshot.Settings.Policy);
            Assert.Equal(2, pool.Snapshot.Members[0].Limit);
            Assert.True(pool.Snapshot.Settings.Get<DrainOptions>()!.KeepSessions);
        }
    }
}
