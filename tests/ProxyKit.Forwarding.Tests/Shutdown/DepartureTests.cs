using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Testing;
using Microsoft.Extensions.Time.Testing;

namespace ProxyKit.Forwarding.Tests;

public sealed class DepartureTests : IDisposable
{
    private readonly FakeTimeProvider _time = new();
    private readonly GatewayLifetime _lifetime = new();
    private readonly FakeLogCollector _logged = new();
    private Departure? _departure;

    [Fact]
    public async Task It_leaves_at_once_tells_tunnels_after_the_delay_and_ends_the_rest_at_the_timeout()
    {
        var departure = New(new ShutdownOptions { Delay = TimeSpan.FromSeconds(10), Timeout = TimeSpan.FromSeconds(30) });
        departure.End.Register(() => departure.Count(3));
        Assert.False(_lifetime.IsLeaving);
        var stopping = departure.StoppingAsync(CancellationToken.None);
        Assert.Equal((true, false, false), (_lifetime.IsLeaving, Tells(departure), departure.End.IsCancellationRequested));
        _time.Advance(TimeSpan.FromSeconds(9));
        Assert.False(stopping.IsCompleted);
        Assert.False(Tells(departure));
        _time.Advance(TimeSpan.FromSeconds(2));
        await stopping;
        Assert.Equal((true, false), (Tells(departure), departure.End.IsCancellationRequested));
        _time.Advance(TimeSpan.FromSeconds(28));
        Assert.False(departure.End.IsCancellationRequested);
        _time.Advance(TimeSpan.FromSeconds(3));
        await EngineRun.UntilAsync(() => _logged.Count == 2);
        Assert.True(departure.End.IsCancellationRequested);
        Assert.Equal(["Leaving", "RequestsCut"], _logged.GetSnapshot().Select(record => record.Id.Name));
        Assert.Equal("3 requests were cut, because they were not done 00:00:30 after the gateway stopped listening.", _logged.LatestRecord.Message);
    }

    [Fact]
    public async Task Tunnels_may_stay_until_the_timeout()
    {
        var departure = New(new ShutdownOptions { WebSockets = WebSocketFarewell.AtTimeout });
        await departure.StoppingAsync(CancellationToken.None);
        _time.Advance(TimeSpan.FromSeconds(29));
        Assert.False(Tells(departure));
        _time.Advance(TimeSpan.FromSeconds(2));
        await EngineRun.UntilAsync(() => departure.End.IsCancellationRequested);
        Assert.True(Tells(departure));
    }

    [Fact]
    public async Task Tunnels_are_told_one_after_another_over_the_spread()
    {
        var departure = New(new ShutdownOptions { WebSocketSpread = TimeSpan.FromSeconds(10) });
        CancellationToken[] tunnels = [.. Enumerable.Range(0, 100).Select(i => departure.Tunnels((i + 0.5) / 100))];
        await departure.StoppingAsync(CancellationToken.None);
        for (var told = 1; told < 100; told++)
        {
            Assert.Equal(told, tunnels.Count(tunnel => tunnel.IsCancellationRequested));
            _time.Advance(TimeSpan.FromMilliseconds(100));
        }

        Assert.All(tunnels, tunnel => Assert.True(tunnel.IsCancellationRequested));
        Assert.False(departure.End.IsCancellationRequested);
    }

    [Fact]
    public async Task A_host_that_waits_no_longer_ends_the_delay()
    {
        var departure = New(new ShutdownOptions { Delay = TimeSpan.FromSeconds(10) });
        using var impatient = new CancellationTokenSource();
        var stopping = departure.StoppingAsync(impatient.Token);
        await impatient.CancelAsync();
        await stopping;
        Assert.True(Tells(departure));
    }

    [Fact]
    public async Task A_host_that_is_stopped_twice_waits_once()
    {
        var departure = New(new ShutdownOptions { Delay = TimeSpan.FromSeconds(10) });
        var first = departure.StoppingAsync(CancellationToken.None);
        _time.Advance(TimeSpan.FromSeconds(11));
        await first;
        Assert.True(departure.StoppingAsync(CancellationToken.None).IsCompletedSuccessfully);
    }

    [Fact]
    public async Task Where_nothing_was_said_tunnels_are_told_at_once_and_the_host_ends_the_rest()
    {
        var departure = New(null);
        _lifetime.Leave();
        await EngineRun.UntilAsync(() => Tells(departure));
        await departure.StoppingAsync(CancellationToken.None);
        _time.Advance(TimeSpan.FromDays(1));
        Assert.False(departure.End.IsCancellationRequested);
        Assert.Equal(0, _logged.Count);
    }

    public void Dispose() => _departure?.Dispose();

    private static bool Tells(Departure departure) => departure.Tunnels(0).IsCancellationRequested;

    private Departure New(ShutdownOptions? options) =>
        _departure = new Departure(_lifetime, new ShutdownSetting(options), _time, LoggerFactory.Create(logging => logging.AddProvider(new FakeLoggerProvider(_logged))));
}
