using System.Diagnostics.Metrics;

using CsCheck;

using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.Metrics.Testing;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Testing;

namespace ProxyKit.Forwarding.Tests;

public class StickyClientIpTests
{
    [Fact]
    public void It_brings_the_key_by_which_the_policy_places_clients()
    {
        var settings = PoolSettings.Default.With<HashKey>(new PathKey()).With<StickinessOptions>(new StickyClientIp { V4Bits = 24 });
        var key = Stickiness.KeyOf(settings, new());
        Assert.Equal(new ClientIpKey(V4Bits: 24), key);
        Assert.Equal(new PathKey(), Stickiness.KeyOf(PoolSettings.Default.With<HashKey>(new PathKey()), new()));
        Assert.Null(Stickiness.KeyOf(PoolSettings.Default, new()));
    }

    [Theory]
    [InlineData(4, 0.4, 0), InlineData(4, 0.6, 1), InlineData(2, 1, 0), InlineData(10, 0.3, 1)]
    public void Who_has_more_than_twice_a_fair_share_is_measured_and_told_of_once(int members, double share, int warnings)
    {
        var logs = new FakeLogCollector();
        var run = new StickyRun(new StickyClientIp(), services => services.AddLogging(logging => logging.AddProvider(new FakeLoggerProvider(logs))));
        var pool = StickyRun.NewPool([.. Enumerable.Range(0, members).Select(i => $"d{i}")]);
        using var metric = new MetricCollector<double>(run.Services.GetRequiredService<IMeterFactory>(), "ProxyKit.Forwarding", "proxykit.sticky.top_key_share");
        for (var i = 0; i < 8192; i++)
        {
            var isBusy = i % 1000 < share * 1000;
            var session = run.Stickiness.Find(Requests.From(isBusy ? "203.0.113.9" : $"198.51.{i % 251}.{i % 241}"), pool.Snapshot);
            Assert.Equal(default, session);
        }

        metric.RecordObservableInstruments();
        var measured = Assert.Single(metric.GetMeasurementSnapshot());
        Assert.Equal("orders", measured.Tags["proxykit.pool.name"]);
        Assert.InRange(measured.Value, share - 0.05, share + 0.05);
        var told = logs.GetSnapshot().Where(log => log.Id.Name == "OneAddressDominates").ToList();
        Assert.Equal(warnings, told.Count);
        Assert.DoesNotContain(told, log => log.Message.Contains("203.0.113", StringComparison.Ordinal));
    }

    [Fact]
    public void A_share_is_never_told_too_high_nor_too_low_by_more_than_what_counters_take_over() =>
        Gen.Select(Gen.Int[0, 200], Gen.Double[0, 1]).Array[1, 2000].Sample(requests =>
        {
            var top = new TopKeys();
            var counts = new Dictionary<int, int>();
            foreach (var (key, chance) in requests)
            {
                var drawn = chance < 0.3 ? 1000 : key;
                top.Observe((ulong)drawn);
                counts[drawn] = counts.GetValueOrDefault(drawn) + 1;
            }

            var truth = (double)counts.Values.Max() / requests.Length;
            Assert.InRange(top.TopShare, truth - (1.0 / 64) - 1e-9, truth + 1e-9);
        });
}
