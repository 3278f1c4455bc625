using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.Metrics.Testing;
using Microsoft.Extensions.Logging;

using ProxyKit.Tests.Configuration;
using ProxyKit.Tests.Pools;

namespace ProxyKit.Tests.Composition;

public sealed class ReloadTests : IDisposable
{
    private const string Good = """{ "Pools": { "a": { "Destinations": { "x": "http://x", "y": "http://y" } }, "b": { "Destinations": { "z": "http://z" } } } }""";
    private const string Bad = """{ "Pools": { "a": { "Destinations": { "x": "nowhere" }, "Polcy": "RoundRobin" }, "b": { "Destinations": { "z": { "Address": "http://z", "Weight": 9 } } } } }""";

    private readonly Json _json = new(Good);
    private readonly ServiceCollection _services = new();
    private ServiceProvider? _provider;
    private MetricCollector<long>? _reloads;

    private PoolDirectory Pools => Provider.GetRequiredService<PoolDirectory>();

    private ServiceProvider Provider
    {
        get
        {
            if (_provider is null)
            {
                _services.AddProxyKit().AddConfiguration(_json.Root);
                _services.AddLogging(logging => logging.AddFakeLogging());
                _provider = _services.BuildServiceProvider();
                _reloads = new MetricCollector<long>(_provider.GetRequiredService<System.Diagnostics.Metrics.IMeterFactory>(), "ProxyKit.Core", "proxykit.pool.reloads");
            }

            return _provider;
        }
    }

    public void Dispose()
    {
        _reloads?.Dispose();
        _provider?.Dispose();
    }

    [Fact]
    public void Destinations_come_go_and_change_weight_with_their_live_figures_kept()
    {
        var pool = Pools.Find("a");
        using var lease = pool.PickOn("y");
        _json.Rewrite("""{ "Pools": { "a": { "Destinations": { "y": { "Address": "http://y", "Weight": 5 }, "w": "http://w" } }, "b": { "Destinations": { "z": "http://z" } } } }""");
        Assert.Equal(["w", "y"], pool.Snapshot.Members.Select(member => member.Destination.Name).Order());
        Assert.Equal((5.0, 1), (pool.Member("y").Weight, pool.Member("y").InFlight));
        Assert.True(lease.Member.IsSame(pool.Member("y")));
        Assert.Equal([("a", "accepted")], Counted());
        Assert.Equal(["Pool a was reloaded from configuration."], Logged());
    }

    [Fact]
    public void A_bad_reload_is_refused_for_that_pool_alone_and_said_once_with_path_and_cure()
    {
        var (a, b) = (Pools.Find("a"), Pools.Find("b"));
        var before = a.Snapshot;
        _json.Rewrite(Bad);
        Assert.Same(before, a.Snapshot);
        Assert.Equal(9, b.Member("z").Weight);
        Assert.Equal([("a", "refused"), ("b", "accepted")], Counted());
        var refusal = Logged(LogLevel.Error).Single();
        Assert.StartsWith("Pool a keeps what it had: its new configuration has faults.", refusal, StringComparison.Ordinal);
        Assert.Contains("Pools:a:Polcy is not known; did you mean 'Policy'?", refusal, StringComparison.Ordinal);
        Assert.Contains("Pools:a:Destinations:x: Address is 'nowhere'; write scheme, host and port", refusal, StringComparison.Ordinal);

        _json.Rewrite(Bad);
        Assert.Equal(2, Counted().Count());
        Assert.Single(Logged(LogLevel.Error));
    }

    [Fact]
    public void A_bad_reload_and_back_is_accepted_and_if_bad_again_told_again()
    {
        var pool = Pools.Find("a");
        using var lease = pool.PickOn("x");
        _json.Rewrite(Bad);
        _json.Rewrite(Good);
        _json.Rewrite(Bad);
        Assert.Equal(["refused", "accepted", "refused"], Counted().Where(each => each.Pool == "a").Select(each => each.Result));
        Assert.Equal(1, pool.Member("x").InFlight);
    }

    [Fact]
    public void A_reload_that_says_the_same_does_nothing_and_says_nothing()
    {
        var before = Pools.Find("a").Snapshot;
        _json.Rewrite(Good);
        Assert.Same(before, Pools.Find("a").Snapshot);
        Assert.Empty(Counted());
        Assert.Empty(Logged());
    }

    [Fact]
    public void Pools_come_and_go_and_who_holds_one_that_is_gone_gets_none()
    {
        var gone = Pools.Find("b");
        _json.Rewrite("""{ "Pools": { "a": { "Destinations": { "x": "http://x", "y": "http://y" } }, "c": { "Destinations": { "w": "http://w" } } } }""");
        Assert.Equal(["a", "c"], Pools.Pools.Select(pool => pool.Name));
        Assert.False(Pools.TryFind("b", out _));
        Assert.Equal(PickStatus.NoneLeft, gone.TryPick(out _));
        Pools.Find("c").Pick().Dispose();
        Assert.Equal([("c", "accepted")], Counted());
    }

    [Fact]
    public void A_new_pool_with_faults_does_not_come_to_be_until_they_are_cured()
    {
        _ = Pools;
        const string Worse = """{ "Pools": { "a": { "Destinations": { "x": "http://x", "y": "http://y" } }, "b": { "Destinations": { "z": "http://z" } }, "c": { "Policy": "Nobody" } } }""";
        _json.Rewrite(Worse);
        _json.Rewrite(Worse);
        Assert.Equal(["a", "b"], Pools.Pools.Select(pool => pool.Name));
        Assert.Equal([("c", "refused")], Counted());
        _json.Rewrite(Worse.Replace("Nobody", "RoundRobin", StringComparison.Ordinal));
        Assert.Equal(["a", "b", "c"], Pools.Pools.Select(pool => pool.Name));
    }

    [Fact]
    public void A_pool_of_a_name_that_code_has_is_a_fault_at_the_start_and_refused_later()
    {
        _services.AddProxyKit().AddPool("c", "http://own");
        _ = Pools;
        const string Doubled = """{ "Pools": { "a": { "Destinations": { "x": "http://x", "y": "http://y" } }, "b": { "Destinations": { "z": "http://z" } }, "c": {} } }""";
        _json.Rewrite(Doubled);
        _json.Rewrite(Doubled);
        Assert.Equal([("c", "refused")], Counted());
        Assert.Contains("Pools:c: a pool of that name was added in code", Logged(LogLevel.Error).Single(), StringComparison.Ordinal);
        Assert.Equal("own", Pools.Find("c").Snapshot.Members.Single().Destination.Name);

        var services = new ServiceCollection();
        services.AddProxyKit().AddConfiguration(new Json(Doubled).Root).AddPool("c", "http://own");
        using var provider = services.BuildServiceProvider();
        Assert.Contains("Pools:c: a pool of that name", Assert.Throws<InvalidOperationException>(() => provider.GetRequiredService<PoolDirectory>()).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Code_may_bind_a_pool_to_its_place_among_the_others()
    {
        _services.AddProxyKit().AddPool("a", "http://own").WithConfiguration(_json.Root.GetSection("Pools:a"));
        Assert.Equal(["own", "x", "y"], Pools.Find("a").Snapshot.Members.Select(member => member.Destination.Name));
        _json.Rewrite("""{ "Pools": { "a": { "Destinations": { "x": "http://x" } }, "b": { "Destinations": { "z": "http://z" } } } }""");
        Assert.Equal(["own", "x"], Pools.Find("a").Snapshot.Members.Select(member => member.Destination.Name));
        Assert.Equal([("a", "accepted")], Counted());
    }

    [Fact]
    public void A_start_with_faults_tells_all_of_all_pools()
    {
        var services = new ServiceCollection();
        services.AddProxyKit().AddConfiguration(new Json("""{ "Pools": { "a": { "Policy": "Nobody" }, "b": { "Limits": { "QueueLength": -1 } } } }""").Root);
        using var provider = services.BuildServiceProvider();
        var fault = Assert.Throws<InvalidOperationException>(() => provider.GetRequiredService<PoolDirectory>());
        Assert.StartsWith("ProxyKit's configuration has 2 faults:", fault.Message, StringComparison.Ordinal);
        Assert.Contains("Pools:a:Policy 'Nobody'", fault.Message, StringComparison.Ordinal);
        Assert.Contains("Pools:b:Limits: QueueLength is -1", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_reader_that_throws_harms_its_pool_alone()
    {
        _services.AddProxyKit();
        _services.AddSettingsSection("Own", static (section, settings, _) => section.Value == "bad" ? throw new NotSupportedException("cannot be bad") : settings);
        var (a, b) = (Pools.Find("a"), Pools.Find("b"));
        _json.Rewrite("""{ "Pools": { "a": { "Own": "bad", "Destinations": {} }, "b": { "Own": "good", "Destinations": {} } } }""");
        Assert.Equal(2, a.Snapshot.Members.Length);
        Assert.Empty(b.Snapshot.Members);
        Assert.Contains("cannot be bad", Logged(LogLevel.Error).Single(), StringComparison.Ordinal);
    }

    [Fact]
    public void After_the_end_nothing_is_reloaded()
    {
        var pool = Pools.Find("a");
        Provider.Dispose();
        _json.Rewrite(Bad);
        _json.Rewrite("""{ "Pools": { "a": { "Destinations": {} } } }""");
        Assert.Equal(2, pool.Snapshot.Members.Length);
    }

    private IEnumerable<(string Pool, string Result)> Counted() => _reloads!.GetMeasurementSnapshot()
        .Select(measurement => ((string)measurement.Tags["proxykit.pool.name"]!, (string)measurement.Tags["proxykit.pool.reload.result"]!));

    private IEnumerable<string> Logged(LogLevel least = LogLevel.Information) =>
        Provider.GetFakeLogCollector().GetSnapshot().Where(record => record.Level >= least).Select(record => record.Message);
}
