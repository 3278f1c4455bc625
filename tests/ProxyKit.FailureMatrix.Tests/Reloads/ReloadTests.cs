using Microsoft.Extensions.Configuration;

namespace ProxyKit.FailureMatrix.Tests;

/// <summary>Configuration changes 50 times a second, and some of it is wrong.</summary>
public sealed class ReloadTests
{
    private static readonly Variation Plain = new();

    [Fact]
    public async Task Row_25_No_request_fails_no_count_is_lost_and_what_is_wrong_is_refused()
    {
        var ledger = new LoadLedger();
        await using var a = ScriptedBackend.Start(Answers.ToLoad("a", ledger));
        await using var b = ScriptedBackend.Start(Answers.ToLoad("b", ledger));
        var configuration = new ConfigurationBuilder().AddInMemoryCollection(new Dictionary<string, string?>
        {
            ["ProxyKit:Pools:p:Destinations:a:Address"] = a.Address.ToString(),
            ["ProxyKit:Pools:p:Destinations:b:Address"] = b.Address.ToString(),
        }).Build();
        await using var gateway = await Matrix.StartAsync(proxyKit => proxyKit.AddConfiguration(configuration.GetSection("ProxyKit")));
        await using var load = gateway.Load(Plain);
        await load.WhenDueAsync(100);
        var live = gateway.Pool.Snapshot.Find("a")!;
        var (reloads, wrong) = (0, 0);
        while (load.Elapsed < Variation.Length)
        {
            configuration["ProxyKit:Pools:p:Destinations:a:Weight"] = reloads % 5 == 4 ? "-1" : $"{1 + (reloads % 3)}";
            configuration["ProxyKit:Pools:p:Policy"] = reloads % 2 == 0 ? "RoundRobin" : "PowerOfTwo";
            configuration.Reload();
            wrong += reloads % 5 == 4 ? 1 : 0;
            reloads++;
            await load.WhenAsync(load.Elapsed + TimeSpan.FromMilliseconds(20));
        }

        var report = await load.StopAsync();
        await Results.AddAsync(25, $"{reloads} reloads, {wrong} of them wrong", Plain, report, gateway, ledger);
        Row.LosesNothing(report, ledger);
        Assert.True(gateway.Pool.Snapshot.Find("a")!.IsSame(live)); // its figures outlived every reload
        Assert.Contains(gateway.Logged, record => record.Id.Name == "PoolReloadRefused");
        await gateway.IsIdleAsync();
    }
}
