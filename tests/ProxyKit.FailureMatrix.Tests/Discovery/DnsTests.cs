using ProxyKit.Balancing.Tests.Sources;

namespace ProxyKit.FailureMatrix.Tests;

/// <summary>Destinations come from DNS, which changes its mind or fails.</summary>
public sealed class DnsTests
{
    private static readonly Variation Plain = new();

    [Fact]
    public async Task Row_15_A_dead_address_that_DNS_has_replaced_is_replaced_at_once_and_nothing_fails()
    {
        var ledger = new LoadLedger();
        await using var dns = new DnsServer();
        await using var a = ScriptedBackend.Start(Answers.ToLoad("a", ledger));
        await using var b = ScriptedBackend.Start(Answers.ToLoad("b", ledger));
        await using var c = ScriptedBackend.Start(Answers.ToLoad("c", ledger));
        Say(dns, 300, a, b);
        await using var gateway = await OverDnsAsync(dns);
        await gateway.Pool.Ready;
        await using var load = gateway.Load(Plain);
        await load.WhenAsync(Variation.Event);
        Say(dns, 300, a, c); // for 300 s nobody would ask, were it not for the connection that fails
        var killed = load.Elapsed;
        b.Kill();
        await load.UntilAsync(report => report.Requests.Any(request => request.Server == "c"));
        await load.WhenAsync(Variation.Length);
        var report = await load.StopAsync();
        await Results.AddAsync(15, "address replaced in DNS", Plain, report, gateway, ledger);
        Row.LosesNothingRepeatable(report, ledger);
        Assert.All(report.Requests.Where(request => !request.IsServed), request => Assert.True(request.At <= killed, $"{request}"));
        Assert.Equal(new[] { Name(a), Name(c) }.Order(StringComparer.Ordinal), gateway.Pool.Snapshot.Members.Select(member => member.Destination.Name).Order(StringComparer.Ordinal));
    }

    [Theory]
    [InlineData("SERVFAIL")]
    [InlineData("NXDOMAIN")]
    [InlineData("empty")]
    [InlineData("slow")]
    public async Task Row_16_While_DNS_fails_the_last_good_answer_serves_and_one_warning_is_logged(string fault)
    {
        var ledger = new LoadLedger();
        await using var dns = new DnsServer();
        await using var a = ScriptedBackend.Start(Answers.ToLoad("a", ledger));
        Say(dns, 1, a);
        await using var gateway = await OverDnsAsync(dns);
        await gateway.Pool.Ready;
        var never = new TaskCompletionSource();
        switch (fault)
        {
            case "SERVFAIL":
                dns.Fail(2, DnsServer.Srv);
                break;
            case "NXDOMAIN":
                dns.Fail(3, DnsServer.Srv);
                break;
            case "empty":
                dns.Services(1);
                break;
            default:
                dns.Gate = never.Task;
                break;
        }

        var asked = dns.Asked;
        await using (var load = gateway.Load(Plain, new LoadOptions { StreamBytes = 1_000 }))
        {
            await load.UntilAsync(_ => dns.Asked > asked && gateway.Logged.Any(record => record.Id.Name == "DnsLookupFailed"));
            var report = await load.StopAsync();
            await Results.AddAsync(16, $"DNS: {fault}", Plain, report, gateway, ledger);
            Row.LosesNothing(report, ledger);
        }

        Assert.Single(gateway.Logged, record => record.Id.Name == "DnsLookupFailed");
        Assert.Single(gateway.Pool.Snapshot.Members);
        never.SetResult();
    }

    private static Task<Matrix> OverDnsAsync(DnsServer dns) => Matrix.OverAsync(
        Plain, [], pool => pool.WithDnsSrv(new DnsOptions { Host = "_http._tcp.shop.example", Server = dns.Address, Timeout = TimeSpan.FromMilliseconds(500) }));

    // An address is a name of four labels, which the connection then takes for what it is.
    private static void Say(DnsServer dns, uint ttl, params ScriptedBackend[] backends) =>
        dns.Services(ttl, [.. backends.Select(backend => ((ushort)0, (ushort)1, (ushort)backend.Address.Port, "127.0.0.1."))]);

    private static string Name(ScriptedBackend backend) => $"127.0.0.1:{backend.Address.Port}";
}
