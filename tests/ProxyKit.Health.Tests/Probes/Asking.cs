namespace ProxyKit.Health.Tests.Probes;

/// <summary>Asks once, through the prober itself: what is believed after one probe is what came of it.</summary>
internal static class Asking
{
    /// <summary>The result of one probe, with whatever the probe throws put into words.</summary>
    public static async Task<ProbeResult> AskAsync(this IProbe probe, Uri address, double timeout = 10, StateHeaderOptions? header = null, string? host = null, Func<PoolSettings, PoolSettings>? with = null)
    {
        var kept = new Kept(probe);
        var settings = PoolSettings.Default.WithProbe(kept, new ProbeOptions { Timeout = TimeSpan.FromSeconds(timeout), WaitForFirst = true, Interval = TimeSpan.FromHours(1), DownInterval = TimeSpan.FromHours(1) });
        settings = header is null ? settings : settings.With(header);
        using var pool = new Pool("p", [new Destination("a", address) { Host = host }], with is null ? settings : with(settings));
        using var handler = ProbeClient.NewHandler(ProbeClient.Recipe.Of(Probing.Of(probe, new ProbeOptions { Timeout = TimeSpan.FromSeconds(timeout) })));
        using var client = new HttpClient(handler);
        await using var prober = Prober.Start(pool, client);
        await pool.Ready.WaitAsync(TestContext.Current.CancellationToken);
        var belief = pool.Snapshot.Members[0].Beliefs.SingleOrDefault();
        return kept.Result ?? new ProbeResult(belief is null ? ProbeStatus.Healthy : ProbeStatus.Unhealthy, belief?.Reason);
    }

    private sealed class Kept(IProbe probe) : IProbe
    {
        /// <summary>What it said; null where it threw or was cut off.</summary>
        public ProbeResult? Result { get; private set; }

        public async ValueTask<ProbeResult> ProbeAsync(ProbeContext context, CancellationToken cancellationToken)
        {
            var result = await probe.ProbeAsync(context, cancellationToken);
            Result = result;
            return result;
        }
    }
}
