using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace ProxyKit.Health.Tests.Checks;

public sealed class PoolsHealthCheckTests : IAsyncDisposable
{
    private readonly ServiceCollection _services = new();
    private ServiceProvider? _provider;

    public PoolsHealthCheckTests() => _services.AddProxyKit()
        .AddPool("orders", "http://a", "http://b").WithPanic()
        .AddPool("users", "http://c");

    private Pool Orders => Provider.GetRequiredService<PoolDirectory>().Find("orders");

    private ServiceProvider Provider => _provider ??= _services.BuildServiceProvider();

    public async ValueTask DisposeAsync()
    {
        if (_provider is not null)
        {
            await _provider.DisposeAsync();
        }
    }

    [Fact]
    public async Task All_is_well_where_everybody_serves()
    {
        _services.AddHealthChecks().AddProxyKitPools();
        var entry = await CheckAsync();
        Assert.Equal((HealthStatus.Healthy, null), (entry.Status, entry.Description));
        Assert.Equal(["orders", "users"], entry.Data.Keys.Order());
        Assert.Equal(2, Assert.IsType<IReadOnlyDictionary<string, int>>(entry.Data["orders"], exactMatch: false)["active"]);
    }

    [Fact]
    public async Task It_is_degraded_where_one_is_down_and_says_which_and_why()
    {
        _services.AddHealthChecks().AddProxyKitPools();
        Orders.Believe("a", "probe", Availability.Down, "3 probes in a row failed");
        var entry = await CheckAsync();
        Assert.Equal((HealthStatus.Degraded, "Pool orders: a is down (probe: 3 probes in a row failed)."), (entry.Status, entry.Description));
        Assert.Equal(1, ((IReadOnlyDictionary<string, int>)entry.Data["orders"])["down"]);
        Orders.Believe("a", "probe", Availability.Trial);
        Assert.Equal("Pool orders: a is on trial (probe).", (await CheckAsync()).Description);
        Orders.Believe("a", "probe", Availability.Up);
        Assert.Equal(HealthStatus.Healthy, (await CheckAsync()).Status);
    }

    [Fact]
    public async Task It_is_unhealthy_where_nobody_serves()
    {
        _services.AddHealthChecks().AddProxyKitPools();
        Orders.Believe("a", "probe", Availability.Down);
        Orders.Believe("b", "outliers", Availability.Down, "3 failed connections in a row");
        var entry = await CheckAsync();
        Assert.Equal(HealthStatus.Unhealthy, entry.Status);
        Assert.Equal(
            "Pool orders has no destination that can serve. Pool orders: a is down (probe), b is down (outliers: 3 failed connections in a row). Pool orders has too few healthy destinations.",
            entry.Description);
        Orders.Update([]);
        Assert.Equal("Pool orders has no destinations.", (await CheckAsync()).Description);
    }

    [Fact]
    public async Task It_is_unhealthy_until_a_pool_is_ready()
    {
        _services.AddHealthChecks().AddProxyKitPools();
        var judged = new TaskCompletionSource();
        Orders.HoldReady(judged.Task);
        var entry = await CheckAsync();
        Assert.Equal((HealthStatus.Unhealthy, "Pool orders is not ready: its destinations are not known, or not judged yet."), (entry.Status, entry.Description));
        judged.SetResult();
        Assert.Equal(HealthStatus.Healthy, (await CheckAsync()).Status);
    }

    [Theory]
    [InlineData(0, "The circuit breaker of pool orders is open.")]
    [InlineData(0.25, "The circuit breaker of pool orders lets 25 % of the requests through.")]
    public async Task It_is_degraded_where_a_circuit_breaker_holds_requests_back(double admission, string description)
    {
        _services.AddHealthChecks().AddProxyKitPools();
        Orders.SetAdmission(admission);
        var entry = await CheckAsync();
        Assert.Equal((HealthStatus.Degraded, description), (entry.Status, entry.Description));
    }

    [Fact]
    public async Task Which_pools_matter_what_failure_means_and_its_name_can_be_said()
    {
        _services.AddHealthChecks()
            .AddProxyKitPools(pools: name => name == "users")
            .AddProxyKitPools("orders", HealthStatus.Degraded, ["live"], name => name == "orders");
        Orders.Update([]);
        Assert.Equal(HealthStatus.Healthy, (await CheckAsync()).Status);
        var entry = await CheckAsync("orders");
        Assert.Equal((HealthStatus.Degraded, "live"), (entry.Status, Assert.Single(entry.Tags)));
        Assert.Equal(["orders"], entry.Data.Keys);
    }

    private async Task<HealthReportEntry> CheckAsync(string name = "proxykit.pools") =>
        (await Provider.GetRequiredService<HealthCheckService>().CheckHealthAsync(TestContext.Current.CancellationToken)).Entries[name];
}
