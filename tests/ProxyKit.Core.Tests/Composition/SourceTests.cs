using System.Runtime.CompilerServices;
using System.Threading.Channels;

using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Time.Testing;

using ProxyKit.Tests.Configuration;
using ProxyKit.Tests.Pools;

namespace ProxyKit.Tests.Composition;

public sealed class SourceTests : IDisposable
{
    private readonly FakeTimeProvider _time = new();
    private readonly Scripted _source = new();
    private readonly ServiceCollection _services = new();
    private ServiceProvider? _provider;

    private ServiceProvider Provider => _provider ??= _services.BuildServiceProvider();

    public SourceTests()
    {
        _services.AddSingleton<TimeProvider>(_time);
        _services.AddLogging(logging => logging.AddFakeLogging());
    }

    public void Dispose() => _provider?.Dispose();

    [Fact]
    public async Task A_pool_takes_each_set_from_its_source()
    {
        var pool = Start();
        Assert.Empty(pool.Snapshot.Members); // not those that it was added with
        _source.Say("a", "b");
        await pool.Ready.WaitAsync(Some.Token);
        using var lease = pool.PickOn("a");
        _source.Say("a", "c");
        await Until(() => Names(pool) == "a, c");
        await _source.Heard(2);
        Assert.Equal(1, pool.Member("a").InFlight);
        Assert.Equal(
            ["Pool p has 2 destinations from its source.", "Pool p has 2 destinations from its source."],
            Provider.GetFakeLogCollector().GetSnapshot().Select(record => record.Message));
    }

    [Fact]
    public async Task A_set_with_faults_is_refused_and_the_last_good_one_kept()
    {
        var pool = Start();
        _source.Say("a");
        await pool.Ready.WaitAsync(Some.Token);
        _source.Say("b", "b");
        _source.Say("a", "c");
        await _source.Heard(3);
        Assert.Equal("a, c", Names(pool));
        var refusal = Provider.GetFakeLogCollector().GetSnapshot().Single(record => record.Level == LogLevel.Error);
        Assert.StartsWith("Pool p keeps the 1 destinations it has: the set from its source has faults.", refusal.Message, StringComparison.Ordinal);
        Assert.Contains("'b' stands 2 times", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_set_that_says_the_same_changes_nothing()
    {
        var pool = Start();
        _source.Say("a");
        await pool.Ready.WaitAsync(Some.Token);
        var before = pool.Snapshot;
        _source.Say("a");
        await _source.Heard(2);
        Assert.Same(before, pool.Snapshot);
    }

    [Fact]
    public async Task A_source_that_fails_is_asked_again_ever_later_and_the_pool_keeps_what_it_has()
    {
        var pool = Start();
        _source.Say("a");
        await pool.Ready.WaitAsync(Some.Token);
        foreach (var (failures, delay) in new[] { (1, 1), (2, 2), (3, 4) })
        {
            _source.Fail();
            await Until(() => Provider.GetFakeLogCollector().GetSnapshot().Count(record => record.Level == LogLevel.Error) == failures);
            Assert.EndsWith($"is asked again in 00:00:0{delay}.", Provider.GetFakeLogCollector().LatestRecord.Message, StringComparison.Ordinal);
            Assert.Equal("a", Names(pool));
            await Until(() =>
            {
                _time.Advance(TimeSpan.FromSeconds(delay)); // the wait may begin a moment after the log
                return _source.Started == failures + 1;
            });
        }

        _source.Say("b");
        await Until(() => Names(pool) == "b");
    }

    [Fact]
    public async Task A_source_that_ends_has_said_all()
    {
        var pool = Start();
        _source.End();
        await pool.Ready.WaitAsync(Some.Token);
        Assert.Empty(pool.Snapshot.Members);
        Assert.Equal(PickStatus.NoneLeft, pool.TryPick(out _));
    }

    [Fact]
    public async Task A_source_that_a_reload_takes_away_is_heard_no_more()
    {
        var json = new Json("""{ "p": { "Source": "yes", "Destinations": { "x": "http://x" } } }""");
        _services.AddSettingsSection("Source", (_, settings, _) => settings.With(_source));
        _services.AddProxyKit().AddPool("p").WithConfiguration(json.Root.GetSection("p"));
        var pool = Provider.GetRequiredService<PoolDirectory>().Find("p");
        _source.Say("a");
        await Until(() => Names(pool) == "a");

        json.Rewrite("""{ "p": { "Destinations": { "x": "http://x" } } }""");
        Assert.Equal("x", Names(pool));
        await Until(() => _source.Stopped == 1);
        _source.Say("a");
        Assert.Equal("x", Names(pool));
    }

    [Fact]
    public async Task A_host_starts_once_the_first_destinations_are_there()
    {
        var pool = Start();
        var start = Startup().StartAsync(Some.Token);
        Assert.False(start.IsCompleted);
        _source.Say("a");
        await start.WaitAsync(Some.Token);
        Assert.Equal("a", Names(pool));
    }

    [Fact]
    public async Task A_source_that_never_answers_holds_the_host_up_for_five_seconds_and_is_named()
    {
        Start();
        var start = Startup().StartAsync(Some.Token);
        _time.Advance(TimeSpan.FromSeconds(4.9));
        Assert.False(start.IsCompleted);
        _time.Advance(TimeSpan.FromSeconds(0.1));
        await start.WaitAsync(Some.Token);
        Assert.Equal(
            "These pools are not ready after 00:00:05: p. Their sources have named no destinations, or nobody has judged these yet. The host starts all the same.",
            Provider.GetFakeLogCollector().LatestRecord.Message);
    }

    [Fact]
    public async Task A_host_that_is_stopped_while_it_starts_stops()
    {
        Start();
        using var stop = new CancellationTokenSource();
        var start = Startup().StartAsync(stop.Token);
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => start);
    }

    [Fact]
    public async Task The_end_of_the_host_ends_the_watching()
    {
        Start();
        await Until(() => _source.Started == 1);
        await Provider.DisposeAsync();
        await Until(() => _source.Stopped == 1);
    }

    private Pool Start()
    {
        _services.AddProxyKit().AddPool("p", "http://unused").WithDestinations(_source);
        return Provider.GetRequiredService<PoolDirectory>().Find("p");
    }

    private PoolStartup Startup() => Provider.GetServices<IHostedService>().OfType<PoolStartup>().Single();

    private static string Names(Pool pool) => string.Join(", ", pool.Snapshot.Members.Select(member => member.Destination.Name));

    // What a source says arrives on another thread.
    private static async Task Until(Func<bool> holds)
    {
        using var late = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        while (!holds())
        {
            Assert.False(late.IsCancellationRequested, "It never came.");
            await Task.Yield();
        }
    }

    private sealed class Scripted : IDestinationSource
    {
        private readonly Channel<Destination[]?> _sets = Channel.CreateUnbounded<Destination[]?>();
        private int _heard;
        private int _started;
        private int _stopped;

        public int Started => Volatile.Read(ref _started);

        public int Stopped => Volatile.Read(ref _stopped);

        public void Say(params string[] names) => _sets.Writer.TryWrite(Some.Destinations(names));

        public void Fail() => _sets.Writer.TryWrite(null);

        public void End() => _sets.Writer.Complete();

        public Task Heard(int count) => Until(() => Volatile.Read(ref _heard) == count);

        public async IAsyncEnumerable<IReadOnlyList<Destination>> WatchAsync([EnumeratorCancellation] CancellationToken cancellationToken)
        {
            Interlocked.Increment(ref _started);
            try
            {
                await foreach (var set in _sets.Reader.ReadAllAsync(cancellationToken))
                {
                    yield return set ?? throw new NotSupportedException("no answer");
                    Interlocked.Increment(ref _heard);
                }
            }
            finally
            {
                Interlocked.Increment(ref _stopped);
            }
        }
    }
}
