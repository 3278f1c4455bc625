using Microsoft.Extensions.DependencyInjection;

using ProxyKit.Testing;

namespace ProxyKit.Health.Tests.Probes;

/// <summary>What the package's README shows of probes, compiled and run.</summary>
public sealed class ReadmeTests
{
    [Fact]
    public async Task A_pool_of_the_host_is_probed()
    {
        var services = new ServiceCollection();

        #region probe
        services.AddProxyKit()
            .AddPool("orders", "http://10.0.0.1:8080", "http://10.0.0.2:8080")
            .WithProbe(new HttpProbe("/healthz"), new ProbeOptions { WaitForFirst = true });
        #endregion

        #region client
        services.AddProxyKit()
            .AddPool("users", "https://10.0.0.3:8443")
            .WithProbe(new GrpcProbe { Service = "users" })
            .WithProbeClient(client => client.ConfigureHttpClient(http => http.DefaultRequestHeaders.Add("X-Token", "secret")));
        #endregion

        #region named
        services.AddNamedProbe("Redis", services => new RedisProbe());
        #endregion

        await using var host = services.BuildServiceProvider();
        var pools = host.GetRequiredService<PoolDirectory>();
        Assert.All(["orders", "users"], name => Assert.NotNull(pools.Find(name).Snapshot.Settings.Get<Probing>()));
    }

    [Fact]
    public async Task A_pool_without_a_host_is_probed()
    {
        await using var backend = ScriptedBackend.Start();
        var destinations = new[] { new Destination("a", backend.Address) };

        #region bare
        using var pool = new Pool("orders", destinations, PoolSettings.Default.WithProbe(new HttpProbe("/healthz"), new ProbeOptions { WaitForFirst = true }));
        await using var prober = Prober.Start(pool);
        await pool.Ready;
        #endregion

        Assert.Equal("/healthz", (await backend.WhenRequestAsync()).Target);
    }

    [Fact]
    public async Task A_probe_of_one_s_own_is_tested_by_calling_it()
    {
        await using var backend = ScriptedBackend.StartRaw(async connection =>
        {
            await connection.WriteAsync("-LOADING Redis is loading the dataset in memory\r\n");
            await connection.WhenClientLeavesAsync();
        });

        #region own-test
        var result = await new RedisProbe().ProbeAsync(new ProbeContext(new Destination("a", backend.Address)), CancellationToken.None);
        Assert.Equal(ProbeResult.Unhealthy("it is loading"), result);
        #endregion
    }

    #region own
    private sealed class RedisProbe : IProbe
    {
        public async ValueTask<ProbeResult> ProbeAsync(ProbeContext context, CancellationToken cancellationToken)
        {
            using var client = new System.Net.Sockets.TcpClient();
            await client.ConnectAsync(context.Destination.Address.Host, context.Destination.Address.Port, cancellationToken);
            using var reader = new StreamReader(client.GetStream());
            await client.GetStream().WriteAsync("PING\r\n"u8.ToArray(), cancellationToken);
            return await reader.ReadLineAsync(cancellationToken) switch
            {
                "+PONG" => ProbeResult.Healthy,
                { } line when line.StartsWith("-LOADING", StringComparison.Ordinal) => ProbeResult.Unhealthy("it is loading"),
                var line => ProbeResult.Unhealthy($"answered '{line}'"),
            };
        }
    }
    #endregion
}
