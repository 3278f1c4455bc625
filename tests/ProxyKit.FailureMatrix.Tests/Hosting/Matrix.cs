using System.Collections.Concurrent;
using System.Net;

using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Testing;

namespace ProxyKit.FailureMatrix.Tests;

/// <summary>The gateway of the matrix: everything goes to one pool, which is composed here for all rows.</summary>
internal sealed class Matrix : IAsyncDisposable
{
    public static readonly TimeSpan ConnectTimeout = TimeSpan.FromSeconds(1);

    /// <summary>How often backends are asked whether they are well.</summary>
    public static readonly TimeSpan ProbeInterval = TimeSpan.FromMilliseconds(500);

    /// <summary>How long a backend is out for the first time.</summary>
    public static readonly TimeSpan Ejection = TimeSpan.FromSeconds(1);

    private readonly ConcurrentQueue<(MemberChange Change, int UnderWay)> _changes = [];

    private readonly WebApplication _app;
    private readonly Uri[] _addresses;

    private Matrix(WebApplication app)
    {
        _app = app;
        _addresses = [.. app.Urls.Select(url => new Uri(url))];
        Pool.MemberChanged += (_, change) => _changes.Enqueue((change, change.Pool.Snapshot.Find(change.Destination)?.InFlight ?? 0));
    }

    /// <summary>HTTP/1.1.</summary>
    public Uri Address => _addresses[0];

    /// <summary>HTTP/2 with prior knowledge.</summary>
    public Uri Http2Address => _addresses[1];

    public Pool Pool => _app.Services.GetRequiredService<PoolDirectory>().Find("p");

    public Attempts Attempts => _app.Services.GetRequiredService<Attempts>();

    /// <summary>How members came to stand otherwise than before.</summary>
    public IReadOnlyCollection<MemberChange> Changes => [.. _changes.Select(entry => entry.Change)];

    /// <summary>How many requests a member held when it was first taken down: those come all the same, the more the slower the machine.</summary>
    public int UnderWayWhenDown(string destination) => _changes.First(entry => entry.Change.Destination == destination && entry.Change.After == MemberStanding.Down).UnderWay;

    public IReadOnlyList<FakeLogRecord> Logged => _app.Services.GetFakeLogCollector().GetSnapshot();

    /// <summary>A gateway before <paramref name="destinations"/>.</summary>
    /// <param name="variation">In what way.</param>
    /// <param name="destinations">The backends.</param>
    /// <param name="with">What the row adds to the pool.</param>
    /// <param name="probes">Whether they are probed at <c>/healthz</c>, which scripted backends do not have.</param>
    public static Task<Matrix> OverAsync(Variation variation, IEnumerable<Destination> destinations, Action<IPoolBuilder>? with = null, bool probes = false) => StartAsync(proxyKit =>
    {
        var pool = proxyKit.AddPool("p", destinations)
            .WithUpstream(new UpstreamOptions { Protocol = variation.Http2 ? UpstreamProtocol.Http2 : UpstreamProtocol.Auto })
            .WithTimeouts(new TimeoutOptions { Connect = ConnectTimeout })
            .WithDrain(new DrainOptions { KeepSessions = false })
            .WithOutlierDetection(new OutlierOptions { Interval = TimeSpan.FromSeconds(1), BaseEjection = Ejection })
            .WithPanic(new PanicOptions { Threshold = 0, Mode = PanicMode.FailFast });
        if (probes)
        {
            pool.WithProbe(
                new HttpProbe("/healthz") { Protocol = variation.Http2 ? HttpProbeProtocol.Http2 : HttpProbeProtocol.Auto },
                new ProbeOptions { Interval = ProbeInterval, Timeout = ProbeInterval, FastInterval = ProbeInterval / 5, DownInterval = ProbeInterval });
        }

        if (variation.Sticky)
        {
            pool.WithStickiness(new StickyCookie());
        }

        with?.Invoke(pool);
    });

    public static async Task<Matrix> StartAsync(Action<IProxyKitBuilder> compose)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders().AddFakeLogging().SetMinimumLevel(LogLevel.Information);
        builder.WebHost.ConfigureKestrel(server =>
        {
            server.Listen(IPAddress.Loopback, 0, listen => listen.Protocols = HttpProtocols.Http1);
            server.Listen(IPAddress.Loopback, 0, listen => listen.Protocols = HttpProtocols.Http2);
        });
        builder.WebHost.UseShutdownTimeout(TimeSpan.FromSeconds(1));
        builder.Services.AddSingleton<Attempts>().AddSingleton<IOutcomeObserver>(services => services.GetRequiredService<Attempts>());
        compose(builder.Services.AddProxyKit());
        var app = builder.Build();
        app.MapPool("/{**rest}", "p");
        await app.StartAsync();
        return new Matrix(app);
    }

    /// <summary>Begins a load.</summary>
    public OpenLoad Load(Variation variation, LoadOptions? options = null) => OpenLoad.Start(variation.Http2 ? Http2Address : Address, options ?? variation.Load);

    /// <summary>Asserts that every seat was given back.</summary>
    public async Task IsIdleAsync()
    {
        foreach (var member in Pool.Snapshot.Members)
        {
            Assert.Equal(0, await Pool.DrainAsync(member.Destination.Name, TimeSpan.FromSeconds(20)));
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _app.StopAsync();
        await _app.DisposeAsync();
    }
}
