using System.Net;

using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Testing;
using Microsoft.Extensions.Time.Testing;

namespace ProxyKit.Forwarding.Tests;

/// <summary>What destinations do, by name, in place of a network.</summary>
internal sealed class Backends : HttpMessageHandler
{
    private readonly Dictionary<string, Func<HttpRequestMessage, CancellationToken, Task<HttpResponseMessage>>> _answers = [];
    private readonly List<string> _asked = [];

    public List<string> Asked
    {
        get
        {
            lock (_asked)
            {
                return [.. _asked];
            }
        }
    }

    public List<Answer> Given { get; } = [];

    public bool IsDisposed { get; private set; }

    public Backends On(string name, Func<HttpRequestMessage, CancellationToken, Task<HttpResponseMessage>> answer)
    {
        _answers[name] = answer;
        return this;
    }

    public Backends On(string name, int status, string text = "") => On(name, (_, _) => Task.FromResult<HttpResponseMessage>(new Answer(status, text)));

    public Backends Fails(string name, Exception fault) => On(name, (_, _) => Task.FromException<HttpResponseMessage>(fault));

    /// <summary>It never answers, and notices when nobody wants it to.</summary>
    public Backends Hangs(string name) => On(name, async (_, cancellationToken) =>
    {
        await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, cancellationToken);
        throw new InvalidOperationException("It cannot come here.");
    });

    protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        var name = request.RequestUri!.Host;
        lock (_asked)
        {
            _asked.Add(name);
        }

        var response = await _answers[name](request, cancellationToken);
        if (response is Answer answer)
        {
            lock (_asked)
            {
                Given.Add(answer);
            }
        }

        return response;
    }

    protected override void Dispose(bool disposing)
    {
        IsDisposed = true;
        base.Dispose(disposing);
    }
}

/// <summary>An answer that knows whether it was let go.</summary>
internal sealed class Answer : HttpResponseMessage
{
    public Answer(int status, string text)
        : base((HttpStatusCode)status) => Content = new StringContent(text);

    public bool IsDisposed { get; private set; }

    protected override void Dispose(bool disposing)
    {
        IsDisposed = true;
        base.Dispose(disposing);
    }
}

/// <summary>A gateway without sockets: one pool <c>p</c> of destinations a, b, c, asked in turn, and one route to it.</summary>
internal sealed class EngineRun : IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly RequestDelegate _serve;

    public EngineRun(Action<IPoolBuilder>? with = null, Action<PoolEndpointBuilder>? route = null, int members = 3, FakeTimeProvider? time = null)
    {
        Time = time ?? new FakeTimeProvider();
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders().AddFakeLogging().SetMinimumLevel(LogLevel.Trace);
        builder.Services.AddSingleton<TimeProvider>(Time);
        var pool = builder.Services.AddProxyKit()
            .AddPool("p", [.. Enumerable.Range(0, members).Select(i => $"http://{(char)('a' + i)}")])
            .WithPolicy(new RoundRobin())
            .WithRetries(new RetryOptions { BackoffBase = TimeSpan.Zero, BackoffCap = TimeSpan.Zero }) // the clock stands still
            .WithHttpClient(client => client.ConfigurePrimaryHttpMessageHandler(() => Backends));
        with?.Invoke(pool);
        _app = builder.Build();
        var mapped = _app.MapPool("/{**rest}", "p");
        route?.Invoke(mapped);
        _serve = ((IEndpointRouteBuilder)_app).DataSources.Single().Endpoints.Single().RequestDelegate!;
    }

    public FakeTimeProvider Time { get; }

    public Backends Backends { get; } = new();

    public IServiceProvider Services => _app.Services;

    public Pool Pool => _app.Services.GetRequiredService<PoolDirectory>().Find("p");

    public IReadOnlyList<FakeLogRecord> Logged => Services.GetFakeLogCollector().GetSnapshot();

    public int InFlight => Services.GetRequiredService<PoolDirectory>().Pools.Sum(pool => pool.Snapshot.Members.Sum(member => member.InFlight));

    public Task ServeAsync(HttpContext context)
    {
        context.RequestServices = Services;
        context.Response.Body = new MemoryStream();
        return _serve(context);
    }

    public async Task<(int Status, string Text)> GetAsync(string method = "GET", Action<DefaultHttpContext>? change = null)
    {
        var context = Requests.From("203.0.113.9");
        context.Request.Method = method;
        context.Features.Get<IHttpRequestFeature>()!.RawTarget = "/";
        change?.Invoke(context);
        await ServeAsync(context);
        return (context.Response.StatusCode, Read(context));
    }

    /// <summary>Lets others run until it is so.</summary>
    public static async Task UntilAsync(Func<bool> isSo)
    {
        for (var end = Environment.TickCount64 + 20_000; !isSo();)
        {
            Assert.True(Environment.TickCount64 < end, "It did not come about.");
            await Task.Yield();
        }
    }

    public static string Read(HttpContext context) => System.Text.Encoding.UTF8.GetString(((MemoryStream)context.Response.Body).ToArray());

    /// <summary>Nothing may be left: no seat taken, no answer held.</summary>
    public async ValueTask DisposeAsync()
    {
        Assert.Equal(0, InFlight);
        await _app.DisposeAsync();
        Assert.All(Backends.Given, answer => Assert.True(answer.IsDisposed));
    }
}
