using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace ProxyKit.Forwarding;

/// <summary>The gateway's way out: it says that it leaves, serves on for the delay, lets what runs finish until the timeout, and ends the rest.</summary>
/// <remarks>
/// The delay is spent in <see cref="StoppingAsync"/>, which the host awaits before it stops any service, the server among them. On SIGTERM the host
/// cancels <c>ApplicationStopping</c> before that; where it is stopped by a call, after it.
/// </remarks>
internal sealed partial class Departure : IHostedLifecycleService, IDisposable
{
    /// <summary>What tunnels may take to say farewell, once the rest was cut: the host must not end before.</summary>
    public static readonly TimeSpan LastWords = TimeSpan.FromSeconds(5);

    private readonly ShutdownOptions? _options;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly CancellationTokenSource[] _waves; // of tunnels that are told at the same moment
    private readonly CancellationTokenSource _end = new();
    private ITimer? _ending;
    private ITimer? _telling;
    private int _isStopping; // 1 once it is
    private int _told; // waves
    private int _cut; // requests

    public Departure(GatewayLifetime lifetime, ShutdownSetting setting, TimeProvider time, ILoggerFactory loggers)
    {
        (Lifetime, _options, _time, _logger) = (lifetime, setting.Options, time, loggers.CreateLogger(ForwardingMetrics.Name));
        _waves = [.. Enumerable.Range(0, Waves(_options?.WebSocketSpread ?? TimeSpan.Zero)).Select(_ => new CancellationTokenSource())];
        if (_options is null)
        {
            // Nobody has said anything: there is no delay, and the host's own timeout ends what runs.
            lifetime.Leaving.UnsafeRegister(static state => _ = ((Departure)state!).TellAllAsync(), this);
        }
    }

    public GatewayLifetime Lifetime { get; }

    /// <summary>Cancelled when a tunnel is to be told, which of them <paramref name="chance"/> decides.</summary>
    public CancellationToken Tunnels(double chance) => _waves[(int)(chance * _waves.Length)].Token;

    /// <summary>Cancelled when what still runs is to be cut.</summary>
    public CancellationToken End => _end.Token;

    /// <summary>So many requests were cut.</summary>
    public void Count(int cut) => Interlocked.Add(ref _cut, cut);

    public async Task StoppingAsync(CancellationToken cancellationToken)
    {
        Lifetime.Leave();
        if (_options is null || Interlocked.Exchange(ref _isStopping, 1) == 1)
        {
            return; // a host may be stopped twice, and the second time waits for nothing
        }

        Log.Leaving(_logger, _options.Delay, _options.Timeout);
        if (_options.Delay > TimeSpan.Zero)
        {
            await Task.Delay(_options.Delay, _time, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        if (_options.WebSockets == WebSocketFarewell.AfterDelay)
        {
            TellNext();
            if (_waves.Length > 1)
            {
                var between = _options.WebSocketSpread / _waves.Length;
                _telling = _time.CreateTimer(static departure => ((Departure)departure!).TellNext(), this, between, between);
            }
        }

        _ending = _time.CreateTimer(static departure => _ = ((Departure)departure!).EndAsync(), this, _options.Timeout, Timeout.InfiniteTimeSpan);
    }

    public Task StoppedAsync(CancellationToken cancellationToken)
    {
        Dispose();
        return Task.CompletedTask;
    }

    public Task StartingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public void Dispose()
    {
        _ending?.Dispose();
        _telling?.Dispose();
    }

    // A tenth of a second is fine enough, and 256 timers are few.
    private static int Waves(TimeSpan spread) => Math.Clamp((int)(spread / TimeSpan.FromMilliseconds(100)), 1, 256);

    private void TellNext()
    {
        var wave = Interlocked.Increment(ref _told) - 1;
        if (wave < _waves.Length)
        {
            _ = _waves[wave].CancelAsync();
        }
        else
        {
            _telling?.Dispose();
        }
    }

    private Task TellAllAsync() => Task.WhenAll(_waves.Select(wave => wave.CancelAsync()));

    private async Task EndAsync()
    {
        await TellAllAsync();
        await _end.CancelAsync();
        if (_cut > 0)
        {
            Log.Cut(_logger, _cut, _options!.Timeout);
        }
    }

    private static partial class Log
    {
        [LoggerMessage(20, LogLevel.Information, "The gateway leaves: it serves on for {Delay}, and what runs then has {Timeout} to finish.", EventName = "Leaving")]
        public static partial void Leaving(ILogger logger, TimeSpan delay, TimeSpan timeout);

        [LoggerMessage(21, LogLevel.Warning, "{Count} requests were cut, because they were not done {Timeout} after the gateway stopped listening.", EventName = "RequestsCut")]
        public static partial void Cut(ILogger logger, int count, TimeSpan timeout);
    }
}
