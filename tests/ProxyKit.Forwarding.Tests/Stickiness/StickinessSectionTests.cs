using System.Text;

using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;

namespace ProxyKit.Forwarding.Tests;

public class StickinessSectionTests
{
    [Fact]
    public void Every_kind_and_every_setting_can_stand_in_configuration()
    {
        var cookie = Assert.IsType<StickyCookie>(Read("""
            "Stickiness": { "Cookie": { "Name": "sid", "MaxIdle": "00:30:00", "MaxLife": "08:00:00", "Secure": "Always", "SameSite": "Strict", "PassToDestination": true,
              "NotOnCacheable": false, "Secrets": [ "0123456789abcdef", "fedcba9876543210" ], "OnDeadMember": "Wait", "MaxWait": "00:00:09" } }
            """).Get<StickinessOptions>());
        Assert.Equal(("sid", TimeSpan.FromMinutes(30), TimeSpan.FromHours(8)), (cookie.Name, cookie.MaxIdle, cookie.MaxLife));
        Assert.Equal((CookieSecurePolicy.Always, SameSiteMode.Strict, true, false), (cookie.Secure, cookie.SameSite, cookie.PassToDestination, cookie.NotOnCacheable));
        Assert.Equal(["0123456789abcdef", "fedcba9876543210"], cookie.Secrets);
        Assert.Equal((DeadMember.Wait, TimeSpan.FromSeconds(9)), (cookie.OnDeadMember, cookie.MaxWait));
        Assert.Equal("X-Seat", Assert.IsType<StickyHeader>(Read("""  "Stickiness": { "Header": { "Name": "X-Seat" } }  """).Get<StickinessOptions>()).Name);
        Assert.Equal(500, Assert.IsType<StickyAppCookie>(Read("""  "Stickiness": { "AppCookie": { "Name": "sid", "Capacity": 500 } }  """).Get<StickinessOptions>()).Capacity);
        Assert.Equal(new StickyClientIp(), Read("""  "Stickiness": "ClientIp"  """).Get<StickinessOptions>());
        Assert.Equal(new StickyClientIp { V4Bits = 24 }, Read("""  "Stickiness": { "clientip": { "V4Bits": 24 } }  """).Get<StickinessOptions>());
    }

    [Fact]
    public void A_drain_then_keeps_sessions_and_its_other_settings()
    {
        var drain = Read("""  "Stickiness": "Cookie", "Drain": { "Timeout": "00:05:00" }  """).Get<DrainOptions>()!;
        Assert.Equal((true, TimeSpan.FromMinutes(5)), (drain.KeepSessions, drain.Timeout));
        var pool = new ServiceCollection().AddProxyKit().AddPool("orders", "http://a:1").WithDrain(new() { Timeout = TimeSpan.FromMinutes(5) }).WithStickiness(new StickyCookie()).Pool;
        Assert.Equal((true, TimeSpan.FromMinutes(5)), (pool.Settings.Get<DrainOptions>()!.KeepSessions, pool.Settings.Get<DrainOptions>()!.Timeout));
    }

    [Theory]
    [InlineData("\"ClientIp\"")]
    [InlineData("{ \"ClientIp\": { \"V4Bits\": 24, \"V6Bits\": 56 } }")]
    [InlineData("{ \"Header\": \"X-User\" }")]
    [InlineData("{ \"cookie\": \"sid\" }")]
    [InlineData("\"Path\"")]
    [InlineData("{ \"Query\": \"user\" }")]
    [InlineData("{ \"RouteValue\": \"tenant\" }")]
    public void Every_key_can_stand_in_configuration(string section)
    {
        HashKey[] known = [new ClientIpKey(), new ClientIpKey(24, 56), new HeaderKey("X-User"), new CookieKey("sid"), new PathKey(), new QueryKey("user"), new RouteValueKey("tenant")];
        Assert.Contains(Read($"\"Key\": {section}").Get<HashKey>(), known);
    }

    [Theory]
    [InlineData("\"Stickiness\": { \"Cokie\": { } }", "Cokie is not known; did you mean 'Cookie'?")]
    [InlineData("\"Stickiness\": \"Cokie\"", "did you mean 'Cookie'?")]
    [InlineData("\"Stickiness\": { \"Cookie\": { \"Nmae\": \"sid\" } }", "orders:Stickiness:Cookie:Nmae is not known; did you mean 'Name'?")]
    [InlineData("\"Stickiness\": { \"Cookie\": { \"Name\": \"a b\" } }", "orders:Stickiness:Cookie: Name is 'a b';")]
    [InlineData("\"Stickiness\": { \"Cookie\": { \"Name\": \"a\" }, \"Header\": { \"Name\": \"b\" } }", "must be one kind")]
    [InlineData("\"Key\": { \"Haeder\": \"X\" }", "orders:Key:Haeder is not known; did you mean 'Header'?")]
    [InlineData("\"Key\": \"Header\"", "Header needs a name")]
    [InlineData("\"Key\": { \"Header\": \"a b\" }", "orders:Key: Name is 'a b';")]
    [InlineData("\"Key\": { \"ClientIp\": { \"V4Bits\": 40 } }", "V4Bits is 40; it must be 1 to 32.")]
    [InlineData("\"Forwarded\": { \"For\": \"Sett\" }", "orders:Forwarded")]
    public void Faults_are_told_with_their_path(string section, string told) =>
        Assert.Contains(told, Assert.Throws<InvalidOperationException>(() => Read(section)).Message, StringComparison.Ordinal);

    [Fact]
    public void Forwarded_fields_can_stand_in_configuration()
    {
        var forwarded = Read("""  "Forwarded": { "For": "Append", "Host": "Off", "Proto": "Remove", "Prefix": "Set", "Forwarded": "Append", "By": "_gw", "Obfuscate": true }  """).Get<ForwardedOptions>();
        Assert.Equal(
            new ForwardedOptions { For = ForwardedAction.Append, Host = ForwardedAction.Off, Proto = ForwardedAction.Remove, Prefix = ForwardedAction.Set, Forwarded = ForwardedAction.Append, By = "_gw", Obfuscate = true },
            forwarded);
    }

    [Fact]
    public void Adding_the_features_leaves_data_protection_of_the_host_as_it_is()
    {
        var services = new ServiceCollection();
        services.AddDataProtection();
        var before = services.Count(service => service.ServiceType.Name.Contains("DataProtection", StringComparison.Ordinal));
        services.AddForwardingFeatures();
        Assert.Equal(before, services.Count(service => service.ServiceType.Name.Contains("DataProtection", StringComparison.Ordinal)));
    }

    private static PoolSettings Read(string sections)
    {
        var json = new MemoryStream(Encoding.UTF8.GetBytes($$"""{ "Pools": { "orders": { "Destinations": { "a": "http://a:1" }, {{sections}} } } }"""));
        var services = new ServiceCollection();
        services.AddProxyKit().AddConfiguration(new ConfigurationBuilder().AddJsonStream(json).Build());
        services.AddForwardingFeatures();
        using var provider = services.BuildServiceProvider();
        return provider.GetRequiredService<PoolDirectory>().Find("orders").Snapshot.Settings;
    }
}
