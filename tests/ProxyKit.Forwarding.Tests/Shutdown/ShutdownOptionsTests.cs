using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;

namespace ProxyKit.Forwarding.Tests;

public sealed class ShutdownOptionsTests
{
    [Fact]
    public void The_defaults_have_no_fault() => Assert.Empty(new ShutdownOptions().Faults());

    [Fact]
    public void Every_fault_names_its_property_and_what_would_be_right()
    {
        Assert.Equal(
            ["Delay is -00:00:01; it must be 0 to a day.", "Timeout is 2.00:00:00; it must be 0 to a day.", "WebSockets is 7; it must be one of AfterDelay, AtTimeout."],
            new ShutdownOptions { Delay = TimeSpan.FromSeconds(-1), Timeout = TimeSpan.FromDays(2), WebSockets = (WebSocketFarewell)7 }.Faults());
        Assert.Equal(
            ["WebSocketSpread is 00:01:00 and Timeout is 00:00:30; it must not be more."],
            new ShutdownOptions { WebSocketSpread = TimeSpan.FromMinutes(1) }.Faults());
        Assert.Contains("no time left", Assert.Single(new ShutdownOptions { WebSocketSpread = TimeSpan.FromSeconds(1), WebSockets = WebSocketFarewell.AtTimeout }.Faults()), StringComparison.Ordinal);
    }

    [Fact]
    public void Configuration_says_it_beside_the_pools_and_code_wins()
    {
        Assert.Equal(
            new ShutdownOptions { Delay = TimeSpan.FromSeconds(5), WebSockets = WebSocketFarewell.AtTimeout },
            Setting(configured: [("Delay", "00:00:05"), ("WebSockets", "attimeout")]));
        Assert.Equal(new ShutdownOptions { Delay = TimeSpan.FromSeconds(1) }, Setting(new ShutdownOptions { Delay = TimeSpan.FromSeconds(1) }, ("Delay", "00:00:05")));
        Assert.Null(Setting());
    }

    [Fact]
    public void Configuration_is_read_strictly()
    {
        var faults = Assert.Throws<InvalidOperationException>(() => Setting(configured: [("Dealy", "00:00:05"), ("Timeout", "soon")])).Message;
        Assert.Contains("ProxyKit:Shutdown:Dealy is not known; did you mean 'Delay'?", faults, StringComparison.Ordinal);
        Assert.Contains("ProxyKit:Shutdown:Timeout", faults, StringComparison.Ordinal);
    }

    [Fact]
    public void Configuration_that_nobody_reads_is_told_where_routes_are_mapped()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Configuration.AddInMemoryCollection([new("ProxyKit:Shutdown:Delay", "00:00:05")]);
        builder.Services.AddProxyKit().AddConfiguration(builder.Configuration.GetSection("ProxyKit")).AddPool("p", "http://a");
        using var app = (IDisposable)builder.Build();
        Assert.Contains("ProxyKit:Shutdown is read by nobody", Assert.Throws<InvalidOperationException>(() => ((WebApplication)app).MapPool("/", "p")).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(30, 10, 30, 45)]
    [InlineData(120, 10, 30, 120)]
    [InlineData(-0.001, 10, 30, -0.001)] // without end
    public void The_host_waits_long_enough(double host, double delay, double timeout, double waits)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Services.Configure<HostOptions>(options => options.ShutdownTimeout = TimeSpan.FromSeconds(host));
        builder.Services.AddProxyKit().AddGracefulShutdown(new ShutdownOptions { Delay = TimeSpan.FromSeconds(delay), Timeout = TimeSpan.FromSeconds(timeout) });
        using var services = builder.Services.BuildServiceProvider();
        Assert.Equal(TimeSpan.FromSeconds(waits), services.GetRequiredService<IOptions<HostOptions>>().Value.ShutdownTimeout);
    }

    [Fact]
    public void Where_nothing_is_said_the_host_waits_as_it_would()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Services.AddProxyKit().AddForwarding();
        using var services = builder.Services.BuildServiceProvider();
        Assert.Equal(new HostOptions().ShutdownTimeout, services.GetRequiredService<IOptions<HostOptions>>().Value.ShutdownTimeout);
    }

    private static ShutdownOptions? Setting(ShutdownOptions? said = null, params (string Key, string Value)[] configured)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Configuration.AddInMemoryCollection(configured.Select(entry => KeyValuePair.Create($"ProxyKit:Shutdown:{entry.Key}", (string?)entry.Value)));
        var proxyKit = builder.Services.AddProxyKit().AddForwarding().AddConfiguration(builder.Configuration.GetSection("ProxyKit"));
        if (said is not null)
        {
            proxyKit.AddGracefulShutdown(said);
        }

        using var services = builder.Services.BuildServiceProvider();
        return services.GetRequiredService<ShutdownSetting>().Options;
    }
}
