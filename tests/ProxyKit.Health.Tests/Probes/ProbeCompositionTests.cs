using System.Text;

using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Testing;

using ProxyKit.Testing;

namespace ProxyKit.Health.Tests.Probes;

public sealed class ProbeCompositionTests
{
    [Fact]
    public async Task A_host_probes_its_pools_and_waits_for_the_first_verdicts_where_asked()
    {
        await using var backend = ScriptedBackend.Start();
        using var closed = new ClosedPort();
        using var host = await StartAsync(kit => kit
            .AddPool("orders", backend.Address.ToString(), closed.Address.ToString())
            .WithProbe(new HttpProbe("/healthz"), new ProbeOptions { WaitForFirst = true })
            .AddPool("users", closed.Address.ToString()));
        var pools = host.Services.GetRequiredService<PoolDirectory>();
        Assert.Equal([backend.Address], pools.Find("orders").Snapshot.Available.Select(member => member.Destination.Address));
        Assert.Equal(("probe", "connection refused"), host.Services.GetRequiredService<IPoolControl>().Find("orders").Destinations[1].Beliefs.Select(belief => (belief.Source, belief.Reason)).Single());
        Assert.Single(pools.Find("users").Snapshot.Available);
        Assert.Equal("/healthz", (await backend.WhenRequestAsync()).Target);
        await host.StopAsync(TestContext.Current.CancellationToken);
    }

    [Fact]
    public async Task The_client_of_probes_is_composed_like_any_other()
    {
        await using var backend = ScriptedBackend.Start();
        using var host = await StartAsync(kit => kit
            .AddPool("orders", backend.Address.ToString())
            .WithProbe(new HttpProbe("/healthz"), new ProbeOptions { ProveFirst = true })
            .WithProbeClient(client => client
                .ConfigureHttpClient(http => http.DefaultRequestHeaders.Add("X-Default", "1"))
                .AddHttpMessageHandler(() => new Signing())));
        var request = await backend.WhenRequestAsync();
        Assert.Equal(("1", "2", "ProxyKit-Probe"), (request["X-Default"], request["X-Signed"], request["User-Agent"]));
        var log = host.Services.GetRequiredService<FakeLogCollector>().GetSnapshot();
        Assert.DoesNotContain(log, record => record.Category!.StartsWith("System.Net.Http", StringComparison.Ordinal)); // no line for each probe
        var handler = host.Services.GetRequiredService<IHttpMessageHandlerFactory>().CreateHandler("ProxyKit.orders.Probe");
        while (handler is DelegatingHandler outer)
        {
            handler = outer.InnerHandler!;
        }

        var sockets = Assert.IsType<SocketsHttpHandler>(handler);
        Assert.Equal((false, false, false, TimeSpan.FromSeconds(2)), (sockets.AllowAutoRedirect, sockets.UseCookies, sockets.UseProxy, sockets.ConnectTimeout));
        Assert.True(sockets.PooledConnectionIdleTimeout > TimeSpan.FromSeconds(5));
    }

    [Theory]
    [InlineData("{}", typeof(HttpProbe))]
    [InlineData("\"Tcp\"", typeof(TcpProbe))]
    [InlineData("""{ "Type": "http", "Path": "/healthz" }""", typeof(HttpProbe))]
    [InlineData("""{ "Type": "Tls", "DegradedBefore": "14.00:00:00" }""", typeof(TlsProbe))]
    [InlineData("""{ "Type": "Grpc", "Service": "orders" }""", typeof(GrpcProbe))]
    [InlineData("""{ "Type": "Own", "Fall": 7 }""", typeof(ScriptedProbe))]
    public void Configuration_names_a_probe(string json, Type type)
    {
        using var host = Build($$"""{ "Probe": {{json}} }""", services => services.AddNamedProbe("Own", _ => new ScriptedProbe()));
        Assert.IsType(type, Settings(host).Get<Probing>()?.Probe);
    }

    [Fact]
    public void Configuration_says_all_that_code_says()
    {
        using var host = Build(
            """
            { "Probe": {
              "Type": "Http", "Path": "/healthz", "Method": "POST", "Headers": { "X-A": "1" }, "Host": "orders.example", "Statuses": "200-399", "DrainingStatuses": "404",
              "BodyContains": "a", "BodyMatches": "b+", "MaxBodyBytes": 100, "Protocol": "Http2", "Port": 81, "Scheme": "https", "DangerousAcceptAnyCertificate": true,
              "Interval": "00:00:10", "Timeout": "00:00:01", "Rise": 1, "Fall": 2, "FastInterval": "00:00:00.500", "DownInterval": "00:00:20", "Jitter": 0.2,
              "ProveFirst": true, "WaitForFirst": true, "MaxConcurrent": 5 } }
            """);
        var probing = Settings(host).Get<Probing>();
        Assert.NotNull(probing);
        Assert.Equal(
            new ProbeOptions
            {
                Interval = TimeSpan.FromSeconds(10),
                Timeout = TimeSpan.FromSeconds(1),
                Rise = 1,
                Fall = 2,
                FastInterval = TimeSpan.FromSeconds(0.5),
                DownInterval = TimeSpan.FromSeconds(20),
                Jitter = 0.2,
                ProveFirst = true,
                WaitForFirst = true,
                MaxConcurrent = 5,
            },
            probing.Options);
        var probe = Assert.IsType<HttpProbe>(probing.Probe);
        Assert.Equal(
            ("/healthz", "POST", "1", "orders.example", "200-399", "404", "a", "b+", 100, HttpProbeProtocol.Http2, 81, "https", true),
            (probe.Path, probe.Method, probe.Headers["X-A"], probe.Host, probe.Statuses, probe.DrainingStatuses, probe.BodyContains, probe.BodyMatches, probe.MaxBodyBytes, probe.Protocol, probe.Port, probe.Scheme, probe.DangerousAcceptAnyCertificate));
        Assert.Equal("probe", Settings(host).Get<ProvenFirst>()?.Source);
    }

    [Theory]
    [InlineData("""{ "Type": "Htp" }""", "Pools:orders:Probe 'Htp' is not known; did you mean 'Http'?")]
    [InlineData("\"Tpc\"", "Pools:orders:Probe 'Tpc' is not known; did you mean 'Tcp'?")]
    [InlineData("""{ "Pth": "/" }""", "Pools:orders:Probe:Pth is not known; did you mean 'Path'?")]
    [InlineData("""{ "Type": "Tcp", "Path": "/" }""", "Pools:orders:Probe:Path is not known")]
    [InlineData("""{ "Type": "Own", "Path": "/" }""", "Pools:orders:Probe:Path is not known")]
    [InlineData("""{ "BodySatisfies": "x" }""", "Pools:orders:Probe:BodySatisfies is not known")]
    [InlineData("""{ "Fall": 0, "Statuses": "all" }""", "Statuses is 'all'")]
    [InlineData("""{ "Fall": 0, "Statuses": "all" }""", "Fall is 0")]
    [InlineData("""{ "Interval": "soon" }""", "Interval")]
    public void Faults_are_told_with_their_path_and_once(string json, string fault)
    {
        using var host = Build($$"""{ "Probe": {{json}} }""", services => services.AddNamedProbe("Own", _ => new ScriptedProbe()));
        var message = Assert.Throws<InvalidOperationException>(() => Settings(host)).Message;
        Assert.Contains(fault, message, StringComparison.Ordinal);
        Assert.Equal(message.IndexOf(fault, StringComparison.Ordinal), message.LastIndexOf(fault, StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_reload_may_bring_probing_change_it_and_take_it_away()
    {
        await using var backend = ScriptedBackend.Start(Answers.Status(503));
        using var host = Build($$"""{ "Destinations": { "a": "{{backend.Address}}" } }""");
        var pool = host.Services.GetRequiredService<PoolDirectory>().Find("orders");
        var configuration = (IConfigurationRoot)host.Services.GetRequiredService<IConfiguration>();
        Change(("Probe:Path", "/one"), ("Probe:WaitForFirst", "true"), ("Probe:DownInterval", "00:00:00.020"));
        await Eventually.TrueAsync(() => pool.Snapshot.Find("a")!.IsDown);
        Change(("Probe:Path", "/two"));
        await Eventually.TrueAsync(() => backend.Requests.Any(request => request.Target == "/two"));
        Assert.True(pool.Snapshot.Find("a")!.IsDown);
        Change(("Probe:Path", null), ("Probe:WaitForFirst", null), ("Probe:DownInterval", null));
        await Eventually.TrueAsync(() => !pool.Snapshot.Find("a")!.IsDown);

        void Change(params (string Key, string? Value)[] changes)
        {
            var said = configuration.Providers.OfType<Changing>().Single();
            foreach (var (key, value) in changes)
            {
                said.Say($"ProxyKit:Pools:orders:{key}", value);
            }

            configuration.Reload();
        }
    }

    [Fact]
    public async Task A_reload_of_the_timeout_brings_a_new_client_and_the_old_one_ends_with_its_last_probe()
    {
        await using var backend = ScriptedBackend.Start();
        var settings = PoolSettings.Default.WithProbe(new HttpProbe(), Often(2));
        using var pool = new Pool("p", [new Destination("a", backend.Address)], settings);
        await using var prober = Prober.Start(pool);
        await backend.WhenRequestsAsync(3);
        pool.Update(null, PoolSettings.Default.WithProbe(new HttpProbe(), Often(2)));
        await backend.WhenRequestsAsync(backend.Requests.Count + 3);
        Assert.Single(backend.Connections);
        pool.Update(null, PoolSettings.Default.WithProbe(new HttpProbe(), Often(3)));
        await backend.WhenConnectionsAsync(2);
        await backend.Connections[0].Ended.WaitAsync(TimeSpan.FromSeconds(20), TestContext.Current.CancellationToken);
        Assert.Equal(Availability.Up, pool.Snapshot.Members[0].Availability);

        static ProbeOptions Often(double timeout) => new() { Interval = TimeSpan.FromMilliseconds(20), Timeout = TimeSpan.FromSeconds(timeout) };
    }

    [Fact]
    public void Adding_it_twice_is_adding_it_once()
    {
        var services = new ServiceCollection();
        services.AddProxyKit().AddHealth().AddHealth().AddPool("a").WithProbe(new TcpProbe()).WithProbe(new TcpProbe());
        Assert.Single(services, service => service.ServiceType == typeof(IPoolWorker) && service.ImplementationFactory?.Method.DeclaringType?.FullName?.Contains("Probe", StringComparison.Ordinal) == true);
        Assert.Equal(4, services.Count(service => service.ServiceType == typeof(NamedProbe)));
    }

    private static async Task<IHost> StartAsync(Action<IProxyKitBuilder> compose)
    {
        var builder = Host.CreateEmptyApplicationBuilder(null);
        builder.Logging.AddFakeLogging().SetMinimumLevel(LogLevel.Trace);
        compose(builder.Services.AddProxyKit());
        var host = builder.Build();
        await host.StartAsync(TestContext.Current.CancellationToken);
        return host;
    }

    private static IHost Build(string pool, Action<IServiceCollection>? services = null)
    {
        var builder = Host.CreateEmptyApplicationBuilder(null);
        var json = $$"""{ "ProxyKit": { "Pools": { "orders": {{pool}} } } }""";
        var said = new ConfigurationBuilder().AddJsonStream(new MemoryStream(Encoding.UTF8.GetBytes(json))).Build().AsEnumerable();
        ((IConfigurationBuilder)builder.Configuration).Add(new Changing.Source(said));
        builder.Services.AddProxyKit().AddHealth().AddConfiguration(builder.Configuration.GetSection("ProxyKit"));
        services?.Invoke(builder.Services);
        return builder.Build();
    }

    private static PoolSettings Settings(IHost host) => host.Services.GetRequiredService<PoolDirectory>().Find("orders").Snapshot.Settings;

    private sealed class Signing : DelegatingHandler
    {
        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            request.Headers.Add("X-Signed", "2");
            return base.SendAsync(request, cancellationToken);
        }
    }

    private sealed class Changing : ConfigurationProvider
    {
        public void Say(string key, string? value)
        {
            Data.Remove(key);
            if (value is not null)
            {
                Data[key] = value;
            }
        }

        internal sealed class Source(IEnumerable<KeyValuePair<string, string?>> said) : IConfigurationSource
        {
            public IConfigurationProvider Build(IConfigurationBuilder builder)
            {
                var made = new Changing();
                foreach (var (key, value) in said)
                {
                    made.Data[key] = value;
                }

                return made;
            }
        }
    }
}
