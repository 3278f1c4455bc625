namespace ProxyKit.FailureMatrix.Tests;

/// <summary>What rows say again and again.</summary>
internal static class Row
{
    private static readonly TimeSpan Look = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    /// <summary>Runs a row over three backends in processes of their own.</summary>
    public static async Task OverThreeAsync(Variation variation, Action<IPoolBuilder>? with, Func<Matrix, Origin[], LoadLedger, Task> run)
    {
        var ledger = new LoadLedger();
        var origins = await Origin.ThreeAsync(ledger, variation.Http2);
        try
        {
            await using var gateway = await Matrix.OverAsync(variation, origins.Select(origin => origin.Destination), with, probes: true);
            await run(gateway, origins, ledger);
            await gateway.IsIdleAsync();
        }
        finally
        {
            await Task.WhenAll(origins.Select(origin => origin.DisposeAsync().AsTask()));
        }
    }

    /// <summary>Goes on until the report says so, looking at it as the load goes on, and fails after half a minute.</summary>
    public static async Task UntilAsync(this OpenLoad load, Func<LoadReport, bool> reached)
    {
        var until = load.Elapsed + Patience;
        while (!reached(load.Report))
        {
            Assert.True(load.Elapsed < until, $"Not reached after {Patience}: {load.Report}");
            await load.WhenAsync(load.Elapsed + Look);
        }
    }

    /// <summary>What holds whatever fails: nothing repeatable failed, no POST came twice, no broken answer looks whole, and the load was what it should be.</summary>
    public static void LosesNothingRepeatable(LoadReport report, LoadLedger ledger)
    {
        Assert.True(report is { FailedRepeatable: 0, Spoiled: 0, NotSent: 0 }, report.ToString());
        Assert.True(ledger.PostsDeliveredTwice.Count == 0, $"delivered twice: {string.Join(", ", ledger.PostsDeliveredTwice)}; {report}");
    }

    /// <summary>No request failed, of whatever method.</summary>
    public static void LosesNothing(LoadReport report, LoadLedger ledger)
    {
        LosesNothingRepeatable(report, ledger);
        Assert.True(report.Failed == 0, report.ToString());
    }

    public static Destination Named(this ScriptedBackend backend, string name) => new(name, backend.Address);
}
