using System.Net;

using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Testing;

namespace ProxyKit.Gateway.Tests;

/// <summary>A gateway on Kestrel and loopback: HTTP/1.1, HTTP/2 without TLS and both over TLS, each on a port of its own.</summary>
internal sealed class GatewayHost : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    private readonly WebApplication _app;
    private readonly Uri[] _addresses;

    private GatewayHost(WebApplication app)
    {
        _app = app;
        _addresses = [.. app.Urls.Select(url => new Uri(url))];
    }

    /// <summary>HTTP/1.1.</summary>
    public Uri Address => _addresses[0];

    /// <summary>HTTP/2 with prior knowledge.</summary>
    public Uri Http2Address => _addresses[1];

    /// <summary>HTTP/1.1 and HTTP/2 over TLS, under <see cref="SelfMade.Certificate"/>.</summary>
    public Uri TlsAddress => _addresses[2];

    public IServiceProvider Services => _app.Services;

    /// <summary>The pool that <see cref="OverAsync(Uri[])"/> makes.</summary>
    public Pool Pool => Services.GetRequiredService<PoolDirectory>().Find("p");

    public IReadOnlyList<FakeLogRecord> Logged => Services.GetFakeLogCollector().GetSnapshot();

    /// <summary>Everything goes to the backends in turn, the first to the first.</summary>
    public static Task<GatewayHost> OverAsync(params Uri[] backends) => OverAsync(_ => { }, backends);

    /// <summary>Everything goes to the backends in turn, the first to the first, under what <paramref name="with"/> adds.</summary>
    public static Task<GatewayHost> OverAsync(Action<IPoolBuilder> with, params Uri[] backends) => StartAsync(
        proxyKit => with(proxyKit.AddPool("p", [.. backends.Select(backend => backend.ToString())]).WithPolicy(new RoundRobin())));

    /// <summary>Starts a gateway; where <paramref name="map"/> is null everything goes to the pool <c>p</c>.</summary>
    public static async Task<GatewayHost> StartAsync(Action<IProxyKitBuilder> compose, Action<WebApplication>? map = null, Action<KestrelServerOptions>? kestrel = null)
    {
        // Development, so that an exception which nobody caught would show its page.
        var builder = WebApplication.CreateBuilder(new WebApplicationOptions { EnvironmentName = "Development" });
        builder.Logging.ClearProviders().AddFakeLogging();
        builder.WebHost.ConfigureKestrel(server =>
        {
            server.Listen(IPAddress.Loopback, 0, listen => listen.Protocols = HttpProtocols.Http1);
            server.Listen(IPAddress.Loopback, 0, listen => listen.Protocols = HttpProtocols.Http2);
            server.Listen(IPAddress.Loopback, 0, listen => listen.UseHttps(SelfMade.Certificate));
            kestrel?.Invoke(server);
        });
        builder.WebHost.UseShutdownTimeout(TimeSpan.FromSeconds(1));
        compose(builder.Services.AddProxyKit());
        var app = builder.Build();
        (map ?? (all => all.MapPool("/{**rest}", "p")))(app);
        await app.StartAsync();
        return new GatewayHost(app);
    }

    /// <summary>A client that speaks HTTP/2 alone, without TLS.</summary>
    public HttpClient NewHttp2Client() => new(new SocketsHttpHandler { AllowAutoRedirect = false })
    {
        BaseAddress = Http2Address,
        DefaultRequestVersion = HttpVersion.Version20,
        DefaultVersionPolicy = HttpVersionPolicy.RequestVersionExact,
        Timeout = Patience,
    };

    /// <summary>A client over TLS that believes <see cref="SelfMade.Certificate"/> and no other.</summary>
    public HttpClient NewTlsClient() => new(new SocketsHttpHandler
    {
        SslOptions = { RemoteCertificateValidationCallback = (_, certificate, _, _) => certificate!.GetCertHashString() == SelfMade.Certificate.GetCertHashString() },
    })
    {
        BaseAddress = TlsAddress,
        Timeout = Patience,
    };

    /// <summary>Waits until no member of the pool holds a request, and fails where one still does after a while.</summary>
    public async Task WhenIdleAsync()
    {
        foreach (var member in Pool.Snapshot.Members)
        {
            Assert.Equal(0, await Pool.DrainAsync(member.Destination.Name, Patience));
            Pool.SetState(member.Destination.Name, MemberState.Active);
        }
    }

    /// <summary>Tells it to stop; done when it has.</summary>
    public Task StopAsync() => _app.StopAsync();

    /// <summary>Stops it. No exception may have left a request unhandled.</summary>
    public async ValueTask DisposeAsync()
    {
        var unhandled = Logged.Where(record => record.Exception is not null && record.Id.Name is "ApplicationError" or "UnhandledException" or "DisplayErrorPageException").ToList();
        using var patience = new CancellationTokenSource(Patience); // its clock may be a test's that no longer moves
        await _app.StopAsync(patience.Token);
        await _app.DisposeAsync();
        Assert.True(unhandled.Count == 0, string.Join("\n", unhandled.Select(record => $"{record.Message} {record.Exception}")));
    }
}
