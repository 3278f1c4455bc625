using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace ProxyKit.Balancing;

/// <summary>Lets an <see cref="HttpClient"/> ask a pool.</summary>
public static class PoolHttpClientBuilderExtensions
{
    /// <summary>
    /// Sends the client's requests to members of <paramref name="pool"/>, whatever host they name: pick, send, report, and again at another
    /// member where that is safe (<see cref="PoolHandler"/>).
    /// </summary>
    /// <param name="builder">The client.</param>
    /// <param name="pool">The pool's name.</param>
    /// <param name="options">How it uses the pool; the defaults where null.</param>
    /// <exception cref="ArgumentException">The options have faults; the message lists every one.</exception>
    public static IHttpClientBuilder UsePool(this IHttpClientBuilder builder, string pool, PoolClientOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        ArgumentException.ThrowIfNullOrWhiteSpace(pool);
        options = (options ?? new PoolClientOptions()).Valid();
        builder.Services.AddProxyKit();
        return builder.AddHttpMessageHandler(services =>
        {
            var pools = services.GetRequiredService<PoolDirectory>();
            return new PoolHandler(
                () => pools.Find(pool), options, static (ready, cancellationToken) => ready.Ready.WaitAsync(cancellationToken), services.GetRequiredService<TimeProvider>(), services.GetService<ILogger<PoolHandler>>());
        });
    }
}
