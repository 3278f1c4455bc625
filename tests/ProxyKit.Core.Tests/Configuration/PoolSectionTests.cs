using System.Collections.Immutable;

using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;

namespace ProxyKit.Tests.Configuration;

public class PoolSectionTests
{
    [Fact]
    public void A_pool_is_read_whole()
    {
        var (destinations, settings) = Read("""
            {
              "Destinations": {
                "a": "http://10.0.0.1:8080",
                "b": { "Address": "https://10.0.0.2:8443/base", "Weight": 3, "Priority": 2, "Zone": "eu", "Host": "b.example", "Disabled": true, "Labels": { "version": "2" } }
              },
              "Policy": "roundrobin",
              "Limits": { "MaxPerDestination": 11, "QueueLength": 12, "QueueTimeout": "00:00:13" },
              "SlowStart": { "Window": "00:00:14", "Aggression": 1.5, "MinShare": 0.2 },
              "Drain": { "Timeout": "00:00:15", "KeepSessions": true }
            }
            """);
        Assert.Equal(
            [
                new Destination("a", new Uri("http://10.0.0.1:8080")),
                new Destination("b", new Uri("https://10.0.0.2:8443/base"))
                {
                    Weight = 3,
                    Priority = 2,
                    Zone = "eu",
                    Host = "b.example",
                    Disabled = true,
                    Labels = ImmutableSortedDictionary<string, string>.Empty.Add("version", "2"),
                },
            ],
            destinations);
        Assert.IsType<RoundRobin>(settings.Policy);
        Assert.Equal(new LimitOptions { MaxPerDestination = 11, QueueLength = 12, QueueTimeout = TimeSpan.FromSeconds(13) }, settings.Get<LimitOptions>());
        Assert.Equal(new SlowStartOptions { Window = TimeSpan.FromSeconds(14), Aggression = 1.5, MinShare = 0.2 }, settings.Get<SlowStartOptions>());
        Assert.Equal(new DrainOptions { Timeout = TimeSpan.FromSeconds(15), KeepSessions = true }, settings.Get<DrainOptions>());
    }

    [Fact]
    public void A_pool_that_says_nothing_has_power_of_two_and_nothing_else()
    {
        var (destinations, settings) = Read("{}");
        Assert.Empty(destinations);
        Assert.IsType<PowerOfTwo>(settings.Policy);
        Assert.Null(settings.Get<LimitOptions>());
    }

    [Fact]
    public void A_list_of_addresses_names_each_by_its_authority_so_that_its_place_means_nothing() =>
        Assert.Equal(
            ["10.0.0.1:8080", "10.0.0.2:8080"],
            Read("""{ "Destinations": ["http://10.0.0.1:8080", { "Address": "http://10.0.0.2:8080" }] }""").Destinations.Select(destination => destination.Name));

    [Fact]
    public void Another_layer_may_add_to_a_short_form()
    {
        var root = new ConfigurationBuilder()
            .AddConfiguration(new Json("""{ "S": { "Destinations": { "a": "http://a" } } }""").Root)
            .AddInMemoryCollection([new("S:Destinations:a:Weight", "4")])
            .Build();
        var destination = Assert.Single(Read(root.GetSection("S"), []).Destinations);
        Assert.Equal((new Uri("http://a"), 4), (destination.Address, destination.Weight));
    }

    [Theory]
    [InlineData("""{ "Polcy": "RoundRobin" }""", "S:Polcy is not known; did you mean 'Policy'?")]
    [InlineData("""{ "Policy": "RoundRobbin" }""", "S:Policy 'RoundRobbin' is not known; did you mean 'RoundRobin'?")]
    [InlineData("""{ "Policy": { "Name": "RoundRobin", "Points": 5 } }""", "S:Policy:Points is not known")]
    [InlineData("""{ "Policy": { "Points": 5 } }""", "S:Policy names no policy; write one of: PowerOfTwo, RoundRobin.")]
    [InlineData("""{ "Destinations": { "a": "10.0.0.1" } }""", "S:Destinations:a: Address is '10.0.0.1'; write scheme, host and port")]
    [InlineData("""{ "Destinations": { "a": { "Weight": 2 } } }""", "S:Destinations:a: Address is ''; write scheme, host and port")]
    [InlineData("""{ "Destinations": { "a": { "Address": "http://a", "Wieght": 2 } } }""", "S:Destinations:a:Wieght is not known; did you mean 'Weight'?")]
    [InlineData("""{ "Destinations": { "a": { "Address": "http://a", "Weight": 300 } } }""", "S:Destinations:a: Weight of 'a' is 300; it must be 0 to 256.")]
    [InlineData("""{ "Destinations": { "a": { "Address": "http://a", "Weight": "heavy" } } }""", "S:Destinations:a: Failed to convert configuration value 'heavy' at 'S:Destinations:a:Weight'")]
    [InlineData("""{ "Destinations": "http://a" }""", "S:Destinations is 'http://a'; it must hold keys")]
    [InlineData("""{ "Limits": { "MaxPerDestination": -1 } }""", "S:Limits: MaxPerDestination is -1; it must be 0 (any number) or more.")]
    [InlineData("""{ "Limits": 5 }""", "S:Limits is '5'; it must hold keys, of: MaxPerDestination, QueueLength, QueueTimeout.")]
    [InlineData("\"http://a\"", "S is 'http://a'; it must hold keys")]
    public void A_fault_is_told_with_its_path_and_what_would_be_right(string text, string fault)
    {
        var faults = new List<string>();
        Read(Json.Section(text), faults);
        Assert.StartsWith(fault, Assert.Single(faults), StringComparison.Ordinal);
    }

    [Fact]
    public void All_faults_are_told_at_once()
    {
        var faults = new List<string>();
        Read(Json.Section("""{ "Destinations": { "a": "?", "b": { "Weight": "x" } }, "Policy": "Nobody", "Drain": { "Timeout": "-00:00:01" }, "Foo": 1 }"""), faults);
        Assert.Equal(5, faults.Count);
    }

    [Fact]
    public void The_last_policy_and_section_of_a_name_count_so_that_a_package_may_be_added_twice()
    {
        var services = new ServiceCollection();
        services.AddProxyKit();
        services.AddNamedPolicy("PowerOfTwo", static () => new RoundRobin());
        services.AddSettingsSection<LimitOptions>("Limits", static (section, options) => section.Bind(options));
        using var provider = services.BuildServiceProvider();
        var (_, settings) = provider.GetRequiredService<PoolSection>().Read(Json.Section("""{ "Policy": "PowerOfTwo", "Limits": { "MaxPerDestination": 3 } }"""), []);
        Assert.IsType<RoundRobin>(settings.Policy);
        Assert.Equal(3, settings.Get<LimitOptions>()!.MaxPerDestination);
    }

    private static (ImmutableArray<Destination> Destinations, PoolSettings Settings) Read(string text)
    {
        var faults = new List<string>();
        var read = Read(Json.Section(text), faults);
        Assert.Empty(faults);
        return read;
    }

    private static (ImmutableArray<Destination> Destinations, PoolSettings Settings) Read(IConfigurationSection section, List<string> faults)
    {
        var services = new ServiceCollection();
        services.AddProxyKit();
        using var provider = services.BuildServiceProvider();
        return provider.GetRequiredService<PoolSection>().Read(section, faults);
    }
}
