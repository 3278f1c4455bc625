using System.Diagnostics.Metrics;
using System.Globalization;

using ProxyKit;
using ProxyKit.Balancing;
using ProxyKit.Forwarding;
using ProxyKit.Health;

namespace Failover;

/// <summary>ProxyKit, in a process of its own.</summary>
internal static class ProxyKitProgram
{
    public static async Task<int> RunAsync(string kind, string[] addresses)
    {
        var builder = GatewayHost.NewBuilder();
        var failures = new Failures(TimeProvider.System);
        builder.Services.AddSingleton<IOutcomeObserver>(new Observer(failures));
        var destinations = addresses.Select(address => address.Split('=', 2)).Select(pair => new Destination(pair[0], new Uri(pair[1])));
        #region compose
        var pool = builder.Services.AddProxyKit()
            .AddPool("shop", destinations)
                .WithTimeouts(new TimeoutOptions { Connect = TimeSpan.FromSeconds(1) })
                .WithProbe(new HttpProbe("/healthz"), new ProbeOptions
                {
                    Interval = TimeSpan.FromSeconds(1),
                    FastInterval = TimeSpan.FromMilliseconds(250),
                    DownInterval = TimeSpan.FromSeconds(1),
                    Timeout = TimeSpan.FromSeconds(1),
                })
                .WithOutlierDetection()
                .WithPanic(new PanicOptions { Threshold = 0, Mode = PanicMode.FailFast });
        #endregion
        if (kind == "proxykit-ewma")
        {
            pool.WithPolicy(new PeakEwma());
        }

        await using var app = builder.Build();
        app.MapPool("/{**rest}", "shop");
        var retried = 0L;
        using var meters = new MeterListener
        {
            InstrumentPublished = static (instrument, listener) =>
            {
                if (instrument.Name == "proxykit.forwarding.retries")
                {
                    listener.EnableMeasurementEvents(instrument);
                }
            },
        };
        meters.SetMeasurementEventCallback<long>((_, count, tags, _) => Interlocked.Add(ref retried, tags.ToArray().Any(tag => tag.Value is "denied") ? 0 : count));
        meters.Start();
        var shop = app.Services.GetRequiredService<PoolDirectory>().Find("shop");
        return await GatewayHost.RunAsync(app, failures, async command =>
        {
            switch (command)
            {
                case ["drain", var name]:
                    return (await shop.DrainAsync(name, TimeSpan.FromSeconds(20))).ToString(CultureInfo.InvariantCulture);
                case ["return", var name]:
                    shop.SetState(name, MemberState.Active);
                    return "done";
                default:
                    return Interlocked.Read(ref retried).ToString(CultureInfo.InvariantCulture);
            }
        });
    }

    private sealed class Observer(Failures failures) : IOutcomeObserver
    {
        public void OnOutcome(Pool pool, Member member, in Outcome outcome)
        {
            if (outcome.IsFailure)
            {
                failures.Add(member.Destination.Name);
            }
        }
    }
}
