using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

using ProxyKit.Tests.Configuration;
using ProxyKit.Tests.Pools;

namespace ProxyKit.Tests.Composition;

public sealed class PoolWorkerTests : IDisposable
{
    private readonly Json _json = new("""{ "Pools": { "q": { "Destinations": ["http://q"] } } }""");
    private readonly Recorder _worker = new();
    private readonly ServiceCollection _services = new();
    private ServiceProvider? _provider;

    public PoolWorkerTests()
    {
        _services.AddLogging(logging => logging.AddFakeLogging());
        _services.AddSingleton<IPoolWorker>(_worker);
        _services.AddProxyKit().AddConfiguration(_json.Root).AddPool("p", "http://a");
    }

    private ServiceProvider Provider => _provider ??= _services.BuildServiceProvider();

    private PoolDirectory Pools => Provider.GetRequiredService<PoolDirectory>();

    public void Dispose() => _provider?.Dispose();

    [Fact]
    public async Task It_starts_once_for_each_pool_and_ends_with_it()
    {
        Assert.Equal(["p", "q"], Pools.Pools.Select(pool => pool.Name));
        Assert.Equal(["p", "q"], _worker.Started.Order());
        _json.Rewrite("""{ "Pools": { "q": { "Destinations": ["http://q2"] }, "r": { "Destinations": ["http://r"] } } }""");
        Assert.Equal(["p", "q", "r"], _worker.Started.Order()); // a reload starts no second one
        Assert.Empty(_worker.Ended);
        _json.Rewrite("""{ "Pools": { "r": { "Destinations": ["http://r"] } } }""");
        await _worker.WhenEndedAsync("q");
        Assert.Equal(["q"], _worker.Ended);
        var logged = Provider.GetFakeLogCollector();
        await Provider.DisposeAsync();
        await _worker.WhenEndedAsync("p");
        await _worker.WhenEndedAsync("r");
        Assert.Equal(["p", "q", "r"], _worker.Ended.Order());
        Assert.DoesNotContain(logged.GetSnapshot(), record => record.Level >= LogLevel.Warning);
    }

    [Fact]
    public async Task It_may_delay_its_pool_until_its_first_await_and_the_host_waits_for_it()
    {
        var judged = new TaskCompletionSource();
        _worker.Hold = judged.Task;
        var pool = Pools.Find("p");
        Assert.False(pool.Ready.IsCompleted);
        var start = Provider.GetServices<IHostedService>().Single().StartAsync(Some.Token);
        Assert.False(start.IsCompleted);
        judged.SetResult();
        await start.WaitAsync(Some.Token);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task One_that_fails_is_logged_and_the_pool_goes_on(bool atOnce)
    {
        _services.AddSingleton<IPoolWorker>(new Failing(atOnce));
        var pool = Pools.Find("p");
        await foreach (var record in Provider.GetFakeLogCollector().GetLogsAsync(cancellationToken: Some.Token))
        {
            if (Errors().Length == 2)
            {
                break;
            }
        }

        Assert.Equal(
            ["What works beside pool p (Failing) has failed; the pool goes on without it.", "What works beside pool q (Failing) has failed; the pool goes on without it."],
            Errors().Order());
        Assert.Equal(["p", "q"], _worker.Started.Order());
        pool.Pick().Dispose();
    }

    [Fact]
    public void Changes_of_standing_are_logged_with_who_and_why()
    {
        var pool = Pools.Find("p");
        pool.Believe("a", "probe", Availability.Down, "it refuses");
        pool.Believe("a", "probe", Availability.Up, "it serves");
        Assert.Equal(
            [(LogLevel.Warning, "Destination a of pool p was Active and is Down: probe, it refuses."), (LogLevel.Information, "Destination a of pool p was Down and is Active: probe, it serves.")],
            Provider.GetFakeLogCollector().GetSnapshot().Select(record => (record.Level, record.Message)));
    }

    private string[] Errors() => [.. Provider.GetFakeLogCollector().GetSnapshot().Where(record => record.Level == LogLevel.Error).Select(record => record.Message)];

    private sealed class Recorder : IPoolWorker
    {
        private readonly Lock _lock = new();
        private readonly List<string> _started = [];
        private readonly List<string> _ended = [];
        private readonly System.Collections.Concurrent.ConcurrentDictionary<string, TaskCompletionSource> _ends = [];

        public Task? Hold { get; set; }

        public IReadOnlyList<string> Started => Copy(_started);

        public IReadOnlyList<string> Ended => Copy(_ended);

        public async Task RunAsync(Pool pool, CancellationToken cancellationToken)
        {
            lock (_lock)
            {
                _started.Add(pool.Name);
            }

            if (Hold is { } hold)
            {
                pool.HoldReady(hold);
            }

            try
            {
                await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, cancellationToken);
            }
            finally
            {
                lock (_lock)
                {
                    _ended.Add(pool.Name);
                }

                End(pool.Name).TrySetResult();
            }
        }

        public Task WhenEndedAsync(string pool) => End(pool).Task.WaitAsync(TimeSpan.FromSeconds(30), Some.Token);

        private TaskCompletionSource End(string pool) => _ends.GetOrAdd(pool, _ => new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously));

        private string[] Copy(List<string> list)
        {
            lock (_lock)
            {
                return [.. list];
            }
        }
    }

    private sealed class Failing(bool atOnce) : IPoolWorker
    {
        public Task RunAsync(Pool pool, CancellationToken cancellationToken) => atOnce ? throw new InvalidOperationException() : LaterAsync();

        private static async Task LaterAsync()
        {
            await Task.Yield();
            throw new InvalidOperationException();
        }
    }
}
