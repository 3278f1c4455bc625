using System.Collections;
using System.Globalization;
using System.Reflection;
using System.Runtime.CompilerServices;

using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Testing;

using ProxyKit.Balancing;
using ProxyKit.Health;

namespace ProxyKit.Gateway.Tests;

/// <summary>What keeps docs/configuration.md true.</summary>
public sealed class ConfigurationDocumentTests
{
    // Each type of options that configuration fills, and the heading under which its keys stand.
    private static readonly Dictionary<string, string> Headings = new()
    {
        ["ForwardingOptions"] = "## Forwarding",
        ["DestinationOptions"] = "### Destinations",
        ["PeakEwma"] = "#### PeakEwma",
        ["RingHash"] = "#### RingHash",
        ["Maglev"] = "#### Maglev",
        ["BoundedLoad"] = "#### BoundedLoad",
        ["PriorityTiers"] = "#### PriorityTiers",
        ["PreferZone"] = "#### PreferZone",
        ["LabelSubset"] = "#### LabelSubset",
        ["ClientSubset"] = "#### ClientSubset",
        ["LimitOptions"] = "### Limits",
        ["SlowStartOptions"] = "### SlowStart",
        ["PanicOptions"] = "### Panic",
        ["OutlierOptions"] = "### OutlierDetection",
        ["CircuitBreakerOptions"] = "### CircuitBreaker",
        ["StateHeaderOptions"] = "### StateHeader",
        ["ProbeOptions"] = "### Probe",
        ["HttpProbe"] = "#### Http",
        ["TcpProbe"] = "#### Tcp",
        ["TlsProbe"] = "#### Tls",
        ["GrpcProbe"] = "#### Grpc",
        ["DrainOptions"] = "### Drain",
        ["RetryOptions"] = "### Retries",
        ["TimeoutOptions"] = "### Timeouts",
        ["UpstreamOptions"] = "### Upstream",
        ["HedgeOptions"] = "### Hedging",
        ["ForwardedOptions"] = "### Forwarded",
        ["ClientIpBits"] = "#### ClientIp as a key",
        ["StickyCookie"] = "#### Cookie",
        ["StickyHeader"] = "#### Header",
        ["StickyAppCookie"] = "#### AppCookie",
        ["StickyClientIp"] = "#### ClientIp",
        ["DnsOptions"] = "### Dns",
        ["ServiceDiscoveryOptions"] = "### ServiceDiscovery",
        ["RouteOptions"] = "## Routes",
        ["MirrorOptions"] = "### Mirror",
    };

    // Options of code alone.
    private static readonly string[] NotConfigured = ["PoolClientOptions"];

    // Keys that are read beside a type's properties.
    private static readonly string[] RouteParts = ["Split", "SplitKey", "Transforms", "Timeouts", "Key", "Mirror"];

    public static TheoryData<string> Types => [.. Headings.Keys];

    [Fact]
    public async Task Every_file_shown_has_no_fault()
    {
        Assert.True(ConfigurationDocument.Files.Count > 3);
        foreach (var (_, json) in ConfigurationDocument.Files)
        {
            var builder = WebApplication.CreateSlimBuilder();
            builder.Logging.ClearProviders();
            builder.Configuration.AddJsonStream(ConfigurationDocument.Stream(json));
            Compose(builder);
            await using var app = builder.Build();
            app.MapProxyKit();
            var endpoints = ((IEndpointRouteBuilder)app).DataSources.SelectMany(source => source.Endpoints);
            Assert.Equal(builder.Configuration.GetSection("ProxyKit:Routes").GetChildren().Count(), endpoints.Count());
        }
    }

    [Fact]
    public void The_file_shown_first_is_the_sample_s_own()
    {
        var (file, json) = ConfigurationDocument.Files[0];
        Assert.Equal("samples/Gateway/gateway.json", file);
        Assert.Equal(File.ReadAllText(Path.Combine(ConfigurationDocument.Root, file)).ReplaceLineEndings("\n"), json);
    }

    [Fact]
    public void Every_type_of_options_has_its_place()
    {
        var types = from assembly in (Assembly[])[typeof(Pool).Assembly, typeof(Rendezvous).Assembly, typeof(ForwardingOptions).Assembly, typeof(OutlierOptions).Assembly]
                    from type in assembly.GetTypes()
                    where type.IsAssignableTo(typeof(IValidatable)) && !type.IsAbstract && Properties(type).Any()
                    select type.Name;
        Assert.Equal(Headings.Keys.Concat(NotConfigured).Order(StringComparer.Ordinal), types.Order(StringComparer.Ordinal));
    }

    [Theory]
    [MemberData(nameof(Types))]
    public void Every_key_is_named_with_its_default(string name)
    {
        var type = new[] { typeof(Pool).Assembly, typeof(Rendezvous).Assembly, typeof(ForwardingOptions).Assembly, typeof(OutlierOptions).Assembly }.SelectMany(assembly => assembly.GetTypes()).Single(type => type.Name == name);
        var told = ConfigurationDocument.Keys(Headings[name]);
        Assert.Equal(
            Properties(type).Select(property => property.Name).Concat(name == "RouteOptions" ? RouteParts : []).Order(StringComparer.Ordinal),
            told.Keys.Order(StringComparer.Ordinal));
        var options = Activator.CreateInstance(type, nonPublic: true);
        foreach (var property in Properties(type).Where(property => property.Name != nameof(ClientSubset.Client)))
        {
            if (Written(property.GetValue(options)) is { Length: > 0 } byDefault)
            {
                Assert.Equal($"{property.Name}: {byDefault}", $"{property.Name}: {told[property.Name]}");
            }
        }
    }

    [Fact]
    public void Every_name_that_configuration_may_say_is_told()
    {
        var builder = WebApplication.CreateSlimBuilder();
        Compose(builder);
        using var services = builder.Services.BuildServiceProvider();
        string[] names =
        [
            .. services.GetServices<NamedPolicy>().Select(policy => policy.Name),
            .. services.GetServices<NamedProbe>().Select(probe => probe.Name),
            .. services.GetServices<NamedTransform>().Select(transform => $"\"{transform.Name}\":"),
            .. services.GetServices<SettingsSection>().Select(section => section.Key),
        ];
        Assert.All(names, name => Assert.Matches(name.StartsWith('"') ? name : $"(`{name}`|\n### {name}\n)", ConfigurationDocument.Text));
    }

    [Fact]
    public async Task An_empty_section_switches_on_what_is_off_without_it()
    {
        await using var gateway = ReloadingGateway.Start("""{ "ProxyKit": { "Pools": { "p": { "Destinations": ["http://127.0.0.1:5001"], "SlowStart": {}, "Hedging": {}, "Panic": {}, "OutlierDetection": {}, "CircuitBreaker": {}, "StateHeader": {} } } } }""");
        Assert.Equal(new SlowStartOptions(), gateway.Pool("p").Snapshot.Settings.Get<SlowStartOptions>());
        Assert.Equal(new HedgeOptions(), gateway.Pool("p").Snapshot.Settings.Get<HedgeOptions>());
        Assert.Equal(new PanicOptions(), gateway.Pool("p").Snapshot.Settings.Get<PanicOptions>());
        Assert.Equal(new OutlierOptions(), gateway.Pool("p").Snapshot.Settings.Get<OutlierOptions>());
        Assert.Equal(new CircuitBreakerOptions(), gateway.Pool("p").Snapshot.Settings.Get<CircuitBreakerOptions>());
        Assert.Equal(new StateHeaderOptions(), gateway.Pool("p").Snapshot.Settings.Get<StateHeaderOptions>());
    }

    [Fact]
    public async Task A_refused_reload_says_what_is_quoted()
    {
        await using var gateway = ReloadingGateway.Start(ConfigurationDocument.Files[0].Json);
        gateway.Change(("Pools:orders:Retries:MaxAttempts", null), ("Pools:orders:Retries:MaxAttemps", "4"), ("Pools:orders:Limits:MaxPerDestination", "0"));
        Assert.Contains(ConfigurationDocument.Quote("pool refused"), gateway.Logged.Select(record => record.Message));
        gateway.Change(("Routes:all:Pool", "wbe"));
        Assert.Contains(ConfigurationDocument.Quote("routes refused"), gateway.Logged.Select(record => record.Message));
    }

    [Fact]
    public async Task A_reload_may_bring_a_pool_and_its_route_at_once()
    {
        await using var gateway = ReloadingGateway.Start(ConfigurationDocument.Files[0].Json);
        for (var i = 1; i <= 3; i++)
        {
            gateway.Change(($"Pools:new{i}:Destinations:0", "http://127.0.0.1:5099"), ($"Routes:new{i}:Path", $"/new{i}"), ($"Routes:new{i}:Pool", $"new{i}"));
            Assert.Empty(gateway.Logged.Where(record => record.Level >= LogLevel.Warning).Select(record => record.Message));
            Assert.Contains($"new{i}", gateway.Routes);
        }
    }

    private static void Compose(WebApplicationBuilder builder)
    {
        builder.Services.AddServiceDiscovery();
        builder.Services.AddProxyKit()
            .AddForwarding(builder.Configuration.GetSection("ProxyKit:Forwarding"))
            .AddBalancing()
            .AddHealth()
            .AddConfiguration(builder.Configuration.GetSection("ProxyKit"));
    }

    private static IEnumerable<PropertyInfo> Properties(Type type) =>
        type.GetProperties().Where(property =>
            property.SetMethod is { IsPublic: true, IsStatic: false } set && !set.ReturnParameter.GetRequiredCustomModifiers().Contains(typeof(IsExternalInit)));

    // As the page writes it; empty where the page has words of its own.
    private static string Written(object? value) => value switch
    {
        bool flag => flag ? "true" : "false",
        string text => text,
        Enum name => name.ToString(),
        TimeSpan time => time.ToString("c", CultureInfo.InvariantCulture),
        IFormattable number => number.ToString(null, CultureInfo.InvariantCulture),
        null or IEnumerable => "",
        _ => throw new NotSupportedException($"A default of type {value.GetType()} has no way to be written yet."),
    };

    /// <summary>A gateway, not listening, whose configuration changes.</summary>
    private sealed class ReloadingGateway(WebApplication app) : IAsyncDisposable
    {
        public IReadOnlyList<FakeLogRecord> Logged => app.Services.GetFakeLogCollector().GetSnapshot();

        public IEnumerable<string?> Routes => ((IEndpointRouteBuilder)app).DataSources.SelectMany(source => source.Endpoints).Select(endpoint => endpoint.DisplayName);

        public Pool Pool(string name) => app.Services.GetRequiredService<PoolDirectory>().Find(name);

        public static ReloadingGateway Start(string json)
        {
            var builder = WebApplication.CreateSlimBuilder();
            builder.Logging.ClearProviders().AddFakeLogging();
            builder.Configuration.AddInMemoryCollection(new ConfigurationBuilder().AddJsonStream(ConfigurationDocument.Stream(json)).Build().AsEnumerable());
            Compose(builder);
            var app = builder.Build();
            app.MapProxyKit();
            return new ReloadingGateway(app);
        }

        public void Change(params (string Key, string? Value)[] changes)
        {
            // All of them and then one reload, as a file changes.
            foreach (var (key, value) in changes)
            {
                app.Configuration[$"ProxyKit:{key}"] = value;
            }

            ((IConfigurationRoot)app.Configuration).Reload();
        }

        public ValueTask DisposeAsync() => app.DisposeAsync();
    }
}
