namespace ProxyKit.FailureMatrix.Tests;

/// <summary>Half of the zone that the gateway stands in goes down, and then all of it.</summary>
public sealed class ZoneTests
{
    private static readonly Variation Plain = new();

    [Fact]
    public async Task Row_21_What_the_zone_cannot_take_spills_by_the_formula_and_nothing_fails()
    {
        var ledger = new LoadLedger();
        ScriptedBackend[] backends = [.. Enumerable.Range(0, 6).Select(i => ScriptedBackend.Start(Answers.ToLoad($"d{i}", ledger)))];
        try
        {
            var destinations = backends.Select((backend, i) => backend.Named($"d{i}") with { Zone = i < 3 ? "here" : "there" });
            await using var gateway = await Matrix.OverAsync(Plain, destinations, pool => pool.WithPolicy(new PreferZone { Zone = "here", MinMembers = 2 }));
            await using var load = gateway.Load(Plain, new LoadOptions { Rate = 1_000, Posts = 0, Streams = 0 });
            await load.WhenDueAsync(200);
            Assert.True(gateway.Pool.SetAvailable("d0", "test", available: false));
            var (one, at) = (ledger.Deliveries, Here(ledger));
            await load.WhenDueAsync(3_200);
            var (two, then) = (ledger.Deliveries, Here(ledger));

            // Two of the five that are left are here, which is 0.4 of the capacity; half of the traffic starts here: 0.4 / 0.5 stays. Four sigma of 3,000 draws are 3 %.
            Assert.InRange((double)(then - at) / (two - one), 0.77, 0.83);

            for (var i = 0; i < 3; i++)
            {
                backends[i].Kill();
                gateway.Pool.SetAvailable($"d{i}", "test", available: false);
            }

            var gone = load.Elapsed;
            await load.WhenDueAsync(4_000);
            var report = await load.StopAsync();
            await Results.AddAsync(21, "zone down, three of six", Plain, report, gateway, ledger);
            Row.LosesNothing(report, ledger);
            Assert.All(report.Requests.Where(request => request.At > gone), request => Assert.Contains(request.Server, (string[])["d3", "d4", "d5"]));
            await gateway.IsIdleAsync();
        }
        finally
        {
            await Task.WhenAll(backends.Select(backend => backend.DisposeAsync().AsTask()));
        }
    }

    private static int Here(LoadLedger ledger) => ledger.To("d0") + ledger.To("d1") + ledger.To("d2");
}
