using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Configuration;

namespace ProxyKit.Gateway.Tests;

/// <summary>Configuration changes while requests run: none may fail, of whatever method.</summary>
public sealed class ReloadTests
{
    [Fact]
    public async Task A_rolling_change_of_all_three_destinations_fails_no_request()
    {
        var old = await Task.WhenAll(Enumerable.Range(0, 3).Select(_ => StartAsync()));
        var replacements = await Task.WhenAll(Enumerable.Range(0, 3).Select(_ => StartAsync()));
        try
        {
            var configuration = Configured(old.Select(backend => backend.Address));
            await using var gateway = await GatewayHost.StartAsync(proxyKit => proxyKit.AddConfiguration(configuration.GetSection("ProxyKit")));
            using var load = new LoadClient(gateway.Address, connections: 16);
            await load.WhenServedAsync(500);
            for (var i = 0; i < 3; i++)
            {
                var leaves = gateway.Pool.Snapshot.Find($"d{i}")!;
                configuration[$"ProxyKit:Pools:p:Destinations:d{i}"] = replacements[i].Address.ToString();
                configuration.Reload();
                Assert.Equal(replacements[i].Address, gateway.Pool.Snapshot.Find($"d{i}")!.Destination.Address);

                // The old one goes once what it had is done, as an operator would have it.
                await Eventually.TrueAsync(() => leaves.InFlight == 0);
                await old[i].StopAsync();
                await load.WhenServedAsync(300);
            }

            await load.StopAsync();
            Assert.Empty(load.Failures);
            Assert.True(load.Served > 1_400);
            await gateway.WhenIdleAsync();
        }
        finally
        {
            await Task.WhenAll(old.Concat(replacements).Select(backend => backend.DisposeAsync().AsTask()));
        }
    }

    [Fact]
    public async Task Fifty_reloads_of_which_some_are_bad_fail_no_request_and_lose_no_count()
    {
        var backends = await Task.WhenAll(Enumerable.Range(0, 3).Select(_ => StartAsync()));
        try
        {
            var configuration = Configured(backends.Select(backend => backend.Address));
            await using var gateway = await GatewayHost.StartAsync(proxyKit => proxyKit.AddConfiguration(configuration.GetSection("ProxyKit")));
            using var load = new LoadClient(gateway.Address, connections: 8);
            for (var i = 0; i < 50; i++)
            {
                configuration["ProxyKit:Pools:p:Destinations:d0:Address"] = backends[0].Address.ToString();
                configuration["ProxyKit:Pools:p:Destinations:d0"] = null;
                configuration["ProxyKit:Pools:p:Destinations:d0:Weight"] = i % 5 == 4 ? "-1" : $"{1 + (i % 3)}";
                configuration["ProxyKit:Pools:p:Policy"] = i % 2 == 0 ? "RoundRobin" : "PowerOfTwo";
                configuration.Reload();
                await load.WhenServedAsync(20);
            }

            await load.StopAsync();
            Assert.Empty(load.Failures);
            Assert.Equal(3, gateway.Pool.Snapshot.Members.Length);
            await gateway.WhenIdleAsync();
            Assert.Contains(gateway.Logged, record => record.Id.Name == "PoolReloadRefused");
        }
        finally
        {
            await Task.WhenAll(backends.Select(backend => backend.DisposeAsync().AsTask()));
        }
    }

    [Fact]
    public async Task A_drain_of_each_in_turn_and_its_restart_fails_no_request()
    {
        var backends = await Task.WhenAll(Enumerable.Range(0, 3).Select(_ => StartAsync()));
        try
        {
            await using var gateway = await GatewayHost.OverAsync([.. backends.Select(backend => backend.Address)]);
            using var load = new LoadClient(gateway.Address, connections: 16);
            await load.WhenServedAsync(300);
            foreach (var member in gateway.Pool.Snapshot.Members)
            {
                Assert.Equal(0, await gateway.Pool.DrainAsync(member.Destination.Name, TimeSpan.FromSeconds(20), cancellationToken: TestContext.Current.CancellationToken));
                await load.WhenServedAsync(200);
                Assert.Equal(0, member.InFlight);
                Assert.True(gateway.Pool.SetState(member.Destination.Name, MemberState.Active));
                await load.WhenServedAsync(200);
            }

            await load.StopAsync();
            Assert.Empty(load.Failures);
        }
        finally
        {
            await Task.WhenAll(backends.Select(backend => backend.DisposeAsync().AsTask()));
        }
    }

    private static Task<KestrelBackend> StartAsync() => KestrelBackend.StartAsync(app => app.Map("/{**rest}", async (HttpContext context) =>
    {
        using var reader = new StreamReader(context.Request.Body);
        return $"{(await reader.ReadToEndAsync(context.RequestAborted)).Length}";
    }));

    private static IConfigurationRoot Configured(IEnumerable<Uri> destinations) => new ConfigurationBuilder()
        .AddInMemoryCollection(destinations.Select((address, i) => KeyValuePair.Create($"ProxyKit:Pools:p:Destinations:d{i}", (string?)address.ToString())))
        .Build();
}
