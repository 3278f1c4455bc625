using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

using Polly;
using Polly.CircuitBreaker;

namespace ProxyKit.Gateway.Tests;

/// <summary>The examples of src/ProxyKit.Forwarding/README.md: they compile, and their options have no fault.</summary>
public sealed class ForwardingReadmeTests
{
    [Fact]
    public async Task What_the_README_shows_composes()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.Services.AddAuthorization();
        builder.Services.AddTransient<Signing>();

        #region pool
        builder.Services.AddProxyKit().AddPool("orders", "http://10.0.0.1:8080", "http://10.0.0.2:8080");
        #endregion
        var pool = builder.Services.AddProxyKit().AddPool("all", "http://10.0.0.1:8080");
        builder.Services.AddProxyKit().AddPool("next", "http://10.0.0.3:8080");

        #region retries
        pool.WithRetries(new RetryOptions { MaxAttempts = 4, Statuses = [502, 503], MaxReplayBytes = 256 * 1024 });
        #endregion

        #region timeouts
        pool.WithTimeouts(new TimeoutOptions { Connect = TimeSpan.FromSeconds(1), FirstByte = TimeSpan.FromSeconds(10), Total = TimeSpan.FromSeconds(30) });
        #endregion

        #region hedging
        pool.WithHedging(new HedgeOptions { Delay = TimeSpan.FromMilliseconds(200) });
        #endregion

        #region limits
        pool.WithLimits(new LimitOptions { MaxPerDestination = 200, QueueLength = 100, QueueTimeout = TimeSpan.FromMilliseconds(250) });
        #endregion

        #region resilience
        pool.WithResilience(pipeline => pipeline.AddCircuitBreaker(new CircuitBreakerStrategyOptions<HttpResponseMessage> { FailureRatio = 0.5, MinimumThroughput = 20 }));
        #endregion

        #region client
        pool.WithHttpClient(client => client.AddHttpMessageHandler<Signing>());
        #endregion

        #region shutdown
        builder.Services.AddProxyKit().AddGracefulShutdown(new ShutdownOptions { Delay = TimeSpan.FromSeconds(10), Timeout = TimeSpan.FromMinutes(1) });
        #endregion

        await using var app = builder.Build();

        #region map
        app.MapPool("/orders/{**rest}", "orders").RemovePrefix("/orders").RequireAuthorization();
        #endregion

        #region split
        app.MapPool("/shop/{**rest}", new TrafficSplit([("orders", 95), ("next", 5)], new CookieKey("user")));
        #endregion

        #region mirror
        app.MapPool("/search/{**rest}", "orders").WithMirror(new MirrorOptions { Pool = "next", Share = 0.1 });
        #endregion

        #region bodies
        app.MapPool("/upload/{**rest}", "orders").WithMaxRequestBody(100 * 1024 * 1024);
        #endregion

        Assert.Equal(4, ((IEndpointRouteBuilder)app).DataSources.Sum(source => source.Endpoints.Count));
        Assert.Equal(3, app.Services.GetRequiredService<PoolDirectory>().Pools.Count);
    }

    private sealed class Signing : DelegatingHandler;
}
