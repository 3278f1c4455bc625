using System.Collections.Concurrent;

namespace ProxyKit.Testing;

/// <summary>Requests that come at a fixed rate, whether or not those before were answered, as the users of a gateway come.</summary>
/// <remarks>
/// Latency counts from the moment when a request was due. A client that waits for one answer before it asks again stops asking just while the gateway
/// stands still, and so measures a stall once where users feel it hundreds of times (coordinated omission). Backends answer with
/// <see cref="Answers.ToLoad"/>, or with what <see cref="LoadCall"/> says; every answer is compared byte for byte.
/// </remarks>
public sealed class OpenLoad : IAsyncDisposable
{
    private static readonly TimeSpan Tick = TimeSpan.FromMilliseconds(1);

    private readonly Lock _lock = new();
    private readonly PriorityQueue<TaskCompletionSource, int> _waiting = new();
    private readonly ConcurrentQueue<LoadRequest> _ended = [];
    private readonly ConcurrentDictionary<int, Task> _underWay = new();
    private readonly ConcurrentDictionary<string, string>[] _cookies;
    private readonly CancellationTokenSource _stop = new();
    private readonly CancellationTokenSource _giveUp = new();
    private readonly LoadOptions _options;
    private readonly TimeProvider _time;
    private readonly ILoadClient _client;
    private readonly string _run = Guid.NewGuid().ToString("n")[..8];
    private readonly long _began;
    private readonly Task _pacing;
    private int _due;
    private int _disposed;

    private OpenLoad(Uri gateway, LoadOptions options, TimeProvider time)
    {
        (_options, _time) = (options, time);
        _client = options.Http2 ? new Http2LoadClient(gateway) : new Http1LoadClient(gateway, options.Connections);
        _cookies = [.. Enumerable.Range(0, options.Clients).Select(_ => new ConcurrentDictionary<string, string>(StringComparer.Ordinal))];
        _began = time.GetTimestamp();
        _pacing = PaceAsync();
    }

    /// <summary>Time since it began.</summary>
    public TimeSpan Elapsed => _time.GetElapsedTime(_began);

    /// <summary>What has ended so far.</summary>
    public LoadReport Report => new(_ended);

    /// <summary>Begins to send.</summary>
    /// <param name="gateway">Where to; its path is not used.</param>
    /// <param name="options">What; the defaults where null.</param>
    /// <param name="time">The clock of its pace; the system's where null.</param>
    /// <exception cref="ArgumentException">The options have faults; the message lists every one.</exception>
    public static OpenLoad Start(Uri gateway, LoadOptions? options = null, TimeProvider? time = null)
    {
        ArgumentNullException.ThrowIfNull(gateway);
        return new(gateway, (options ?? new LoadOptions()).Frozen(), time ?? TimeProvider.System);
    }

    /// <summary>Done when all requests that are due by then, from the start, have been sent: the load's own pace is what a run waits by.</summary>
    public Task WhenAsync(TimeSpan at) => WhenDueAsync((int)Math.Ceiling(at.TotalSeconds * _options.Rate));

    /// <summary>Done when so many requests have been due, from the start.</summary>
    public Task WhenDueAsync(int count)
    {
        lock (_lock)
        {
            if (_due >= count)
            {
                return Task.CompletedTask;
            }

            var waiter = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            _waiting.Enqueue(waiter, count);
            return waiter.Task;
        }
    }

    /// <summary>Sends no more and waits for what is under way, each within its <see cref="LoadOptions.Timeout"/>.</summary>
    public async Task<LoadReport> StopAsync()
    {
        await _stop.CancelAsync();
        await _pacing;
        await Task.WhenAll(_underWay.Values);
        return Report;
    }

    /// <summary>Gives up what is under way.</summary>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0)
        {
            return;
        }

        await _giveUp.CancelAsync();
        await StopAsync();
        _client.Dispose();
        _stop.Dispose();
        _giveUp.Dispose();
    }

    private async Task PaceAsync()
    {
        using var timer = new PeriodicTimer(Tick, _time);
        try
        {
            while (await timer.WaitForNextTickAsync(_stop.Token))
            {
                for (var due = (int)(Elapsed.TotalSeconds * _options.Rate); _due < due && !_stop.IsCancellationRequested;)
                {
                    Send(_due);
                    Pass();
                }
            }
        }
        catch (OperationCanceledException)
        {
            // It was told to stop.
        }

        lock (_lock)
        {
            while (_waiting.TryDequeue(out var waiter, out _))
            {
                waiter.TrySetCanceled();
            }
        }
    }

    private void Pass()
    {
        lock (_lock)
        {
            _due++;
            while (_waiting.TryPeek(out var waiter, out var count) && count <= _due)
            {
                _waiting.Dequeue();
                waiter.TrySetResult();
            }
        }
    }

    private void Send(int number)
    {
        var (call, at) = (_options.Call(number), TimeSpan.FromSeconds((number + 1) / _options.Rate));
        if (_underWay.Count >= _options.MaxOutstanding)
        {
            _ended.Enqueue(new LoadRequest(call.Kind, number, at, LoadEnd.NotSent, TimeSpan.Zero));
            return;
        }

        var sent = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        _underWay[number] = sent.Task;
        _ = Task.Run(async () =>
        {
            await SendAsync(call, at);
            _underWay.TryRemove(number, out _);
            sent.SetResult();
        });
    }

    private async Task SendAsync(LoadCall call, TimeSpan at)
    {
        using var deadline = new CancellationTokenSource(_options.Timeout, _time);
        using var linked = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, _giveUp.Token);
        var jar = _cookies.Length > 0 ? _cookies[call.Number % _cookies.Length] : null;
        var cookie = jar is { IsEmpty: false } ? string.Join("; ", jar.Select(entry => $"{entry.Key}={entry.Value}")) : null;
        var answer = await _client.SendAsync(call, $"{_run}-{call.Number}", cookie, linked.Token);
        _ended.Enqueue(new LoadRequest(call.Kind, call.Number, at, answer.End, Elapsed - at)
        {
            Status = answer.Status,
            Server = answer.Server,
            SetsCookie = answer.Cookies is { Count: > 0 },
            Received = answer.Received,
            Fault = answer.Fault,
        });
        foreach (var line in jar is null ? [] : answer.Cookies ?? [])
        {
            var pair = line.Split(';', 2)[0].Split('=', 2);
            jar![pair[0].Trim()] = pair.Length == 2 ? pair[1].Trim() : "";
        }
    }
}
