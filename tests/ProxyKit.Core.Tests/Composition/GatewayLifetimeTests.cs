using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace ProxyKit.Tests.Composition;

public class GatewayLifetimeTests
{
    [Fact]
    public void It_leaves_when_the_host_is_told_to_stop()
    {
        using var host = new StoppableHost();
        var services = new ServiceCollection();
        services.AddSingleton<IHostApplicationLifetime>(host);
        services.AddProxyKit();
        using var provider = services.BuildServiceProvider();
        var lifetime = provider.GetRequiredService<GatewayLifetime>();
        Assert.False(lifetime.IsLeaving);
        host.StopApplication();
        Assert.True(lifetime.IsLeaving);
        Assert.True(lifetime.Leaving.IsCancellationRequested);
    }

    [Fact]
    public void It_may_be_said_ahead_of_the_host_and_more_than_once()
    {
        var lifetime = new GatewayLifetime();
        var heard = 0;
        lifetime.Leaving.Register(() => heard++);
        lifetime.Leave();
        lifetime.Leave();
        Assert.Equal((true, 1), (lifetime.IsLeaving, heard));
    }

    private sealed class StoppableHost : IHostApplicationLifetime, IDisposable
    {
        private readonly CancellationTokenSource _stopping = new();

        public CancellationToken ApplicationStarted => default;

        public CancellationToken ApplicationStopping => _stopping.Token;

        public CancellationToken ApplicationStopped => default;

        public void StopApplication() => _stopping.Cancel();

        public void Dispose() => _stopping.Dispose();
    }
}
