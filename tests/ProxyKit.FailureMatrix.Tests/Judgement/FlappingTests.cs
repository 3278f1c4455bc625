namespace ProxyKit.FailureMatrix.Tests;

/// <summary>A backend dies and comes back again and again.</summary>
public sealed class FlappingTests
{
    [Fact]
    public async Task Row_12_Each_time_it_is_out_for_longer_no_GET_fails_and_each_change_is_said_once()
    {
        var (plain, ledger) = (new Variation(), new LoadLedger());
        await using var a = ScriptedBackend.Start(Answers.ToLoad("a", ledger));
        await using var flaps = ScriptedBackend.Start(Answers.ToLoad("flaps", ledger));
        await using var c = ScriptedBackend.Start(Answers.ToLoad("c", ledger));
        var (ejection, half) = (TimeSpan.FromMilliseconds(200), TimeSpan.FromMilliseconds(200));
        await using var gateway = await Matrix.OverAsync(
            plain,
            [a.Named("a"), flaps.Named("flaps"), c.Named("c")],
            pool => pool.WithPolicy(new RoundRobin()).WithOutlierDetection(new OutlierOptions { BaseEjection = ejection, Jitter = 0 }));
        await using var load = gateway.Load(plain, new LoadOptions { StreamBytes = 100_000 });
        await load.WhenAsync(TimeSpan.FromMilliseconds(500));
        var began = load.Elapsed;
        var deaths = new List<(TimeSpan From, TimeSpan To)>();
        while (load.Elapsed - began < Variation.Length * 1.2)
        {
            var from = load.Elapsed;
            flaps.Kill();
            deaths.Add((from, load.Elapsed));
            await load.WhenAsync(load.Elapsed + half);
            flaps.Revive();
            await load.WhenAsync(load.Elapsed + half);
        }

        var lasted = load.Elapsed - began;
        var report = await load.StopAsync();
        await Results.AddAsync(12, $"flapping, {deaths.Count} deaths", plain, report, gateway, ledger);
        Row.LosesNothingRepeatable(report, ledger);
        Assert.All(report.Requests.Where(request => !request.IsServed), request => Assert.Contains(deaths, death => request.At <= death.To && request.At + request.Elapsed >= death.From));

        // Each ejection lasts twice as long as the one before: there is no time for more.
        var ejections = gateway.Changes.Count(change => change is { Destination: "flaps", After: MemberStanding.Down });
        Assert.InRange(ejections, 1, Math.Log2(lasted / ejection) + 2);
        Assert.Equal(gateway.Changes.Count, gateway.Logged.Count(record => record.Id.Name is "MemberLost" or "MemberChanged"));
    }
}
