using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace ProxyKit;

/// <summary>Builds the pools when the host starts, so that faults stop it there, and gives sources a moment to find their first destinations.</summary>
internal sealed class PoolStartup(PoolDirectory pools, TimeProvider time, ILogger<PoolStartup> logger) : IHostedService
{
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(5);

    public async Task StartAsync(CancellationToken cancellationToken)
    {
        using var deadline = new CancellationTokenSource(Timeout, time);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellationToken);
        try
        {
            await Task.WhenAll(pools.Pools.Select(pool => pool.Ready)).WaitAsync(both.Token);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            Log.StartedUnready(logger, Timeout, string.Join(", ", pools.Pools.Where(pool => !pool.Ready.IsCompleted).Select(pool => pool.Name)));
        }
    }

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}
