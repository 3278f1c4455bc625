using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace ProxyKit.Health.Tests.Outliers;

// The README's examples, as they stand there.
public class ReadmeTests
{
    [Fact]
    public void A_host_that_watches_how_requests_end()
    {
        var services = new ServiceCollection();
        #region outliers
        services.AddProxyKit()
            .AddPool("orders", "http://10.0.0.1:8080", "http://10.0.0.2:8080", "http://10.0.0.3:8080")
            .WithOutlierDetection(new OutlierOptions { ConsecutiveServerErrors = 0 }) // 5xx of its own are this application's business
            .WithCircuitBreaker()
            .WithStateHeader()
            .WithPanic()
            .WithSlowStart();
        #endregion

        using var provider = services.BuildServiceProvider();
        Assert.Equal(0, provider.GetRequiredService<PoolDirectory>().Find("orders").Snapshot.Settings.Get<OutlierOptions>()!.ConsecutiveServerErrors);
    }

    [Fact]
    public void A_pool_without_a_host()
    {
        #region bare
        using var pool = new Pool(
            "orders",
            [Destination.Parse("http://10.0.0.1:8080"), Destination.Parse("http://10.0.0.2:8080")],
            PoolSettings.Default.With(new OutlierOptions()).With(new CircuitBreakerOptions()),
            observers: [new OutlierDetection(), new CircuitBreaker()]);
        #endregion
        for (var i = 0; i < 3; i++)
        {
            pool.TryPick(out var lease, preferred: pool.Snapshot.Find("10.0.0.1:8080"));
            lease.Report(OutcomeKind.NotConnected);
            lease.Dispose();
        }

        Assert.Equal(MemberStanding.Down, pool.Snapshot.Find("10.0.0.1:8080")!.Standing);
    }

    [Fact]
    public async Task A_health_check()
    {
        var services = new ServiceCollection();
        services.AddProxyKit().AddPool("orders", "http://10.0.0.1:8080").AddPool("reports", "http://10.0.0.2:8080");
        #region check
        services.AddHealthChecks()
            .AddProxyKitPools(pools: name => name != "reports", tags: ["ready"]);
        #endregion

        await using var provider = services.BuildServiceProvider();
        Assert.Equal(HealthStatus.Healthy, (await provider.GetRequiredService<HealthCheckService>().CheckHealthAsync(TestContext.Current.CancellationToken)).Status);
    }
}
