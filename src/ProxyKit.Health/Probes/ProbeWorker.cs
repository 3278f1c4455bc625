using Microsoft.Extensions.Logging;

namespace ProxyKit.Health;

/// <summary>Probes the host's pools.</summary>
internal sealed class ProbeWorker(IEnumerable<ProbeHttpClient> composed, ProbeMetrics metrics, ILogger<Prober> logger, IHttpClientFactory? factory = null) : IPoolWorker
{
    public async Task RunAsync(Pool pool, CancellationToken cancellationToken)
    {
        var client = composed.FirstOrDefault(client => client.Name == new ProbeHttpClient(pool.Name).Name);
        var prober = new Prober(pool, client is null || factory is null ? Prober.OwnClient : Composed, ownsClients: true, metrics, logger);
        try
        {
            await prober.Following.WaitAsync(cancellationToken);
        }
        finally
        {
            await prober.EndAsync(); // the pool ends with the host; what is down must not look up while that goes on
        }

        HttpClient Composed(Probing probing)
        {
            client.Recipe = ProbeClient.Recipe.Of(probing);
            return factory.CreateClient(client.Name);
        }
    }
}
