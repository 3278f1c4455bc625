using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Testing;

namespace ProxyKit.Balancing.Tests.Sources;

public sealed class DnsSourceTests : IAsyncDisposable
{
    private static readonly TimeSpan Second = TimeSpan.FromSeconds(1);

    private readonly DnsServer _dns = new();
    private readonly WatchedTime _time = new();
    private readonly FakeLogger<DnsSource> _log = new();

    public ValueTask DisposeAsync() => _dns.DisposeAsync();

    [Fact]
    public async Task Addresses_of_both_families_become_destinations_in_an_order_of_their_own()
    {
        _dns.Addresses(30, "10.0.0.2", "fd00::1", "10.0.0.1");
        await using var sets = Watch(Source());
        Assert.Equal(["10.0.0.1:8080", "10.0.0.2:8080", "[fd00::1]:8080"], await Next(sets));
        Assert.Equal(new Uri("http://10.0.0.1:8080"), sets.Current[0].Address);
        Assert.All(sets.Current, destination => Assert.Null(destination.Host));
    }

    [Fact]
    public async Task Over_TLS_the_name_goes_along_for_the_certificate()
    {
        _dns.Addresses(30, "10.0.0.1");
        await using var sets = Watch(Source(options => options.Scheme = "https"));
        await Next(sets);
        Assert.Equal(("https", "orders.svc"), (sets.Current[0].Address.Scheme, sets.Current[0].Host));
    }

    [Theory]
    [InlineData(30, 30), InlineData(0, 1), InlineData(3600, 60)]
    public async Task A_name_is_looked_up_again_when_its_TTL_is_over_within_bounds(uint ttl, int seconds)
    {
        _dns.Addresses(ttl, "10.0.0.1");
        await using var sets = Watch(Source());
        await Next(sets);
        var next = Next(sets);
        Assert.Equal(TimeSpan.FromSeconds(seconds), await _time.NextWaitAsync());
        _dns.Addresses(ttl, "10.0.0.7");
        _time.Advance(TimeSpan.FromSeconds(seconds));
        Assert.Equal(["10.0.0.7:8080"], await next);
    }

    [Theory]
    [InlineData(2), InlineData(3)]
    public async Task An_error_keeps_what_there_was_and_is_told_once(byte code)
    {
        _dns.Addresses(30, "10.0.0.1");
        await using var sets = Watch(Source());
        await Next(sets);
        var next = Next(sets);
        _dns.Fail(code, DnsServer.A, DnsServer.Aaaa);

        // Asked again sooner than the TTL, then ever less often.
        foreach (var seconds in (int[])[30, 1, 2, 4])
        {
            Assert.Equal(TimeSpan.FromSeconds(seconds), await _time.NextWaitAsync());
            _time.Advance(TimeSpan.FromSeconds(seconds));
        }

        Assert.Equal(8 * Second, await _time.NextWaitAsync());
        Assert.False(next.IsCompleted);
        Assert.Single(_log.Collector.GetSnapshot(), record => record.Level == LogLevel.Warning);
        _dns.Addresses(30, "10.0.0.2");
        _time.Advance(8 * Second);
        Assert.Equal(["10.0.0.2:8080"], await next);
        Assert.Contains(_log.Collector.GetSnapshot(), record => record.Message.Contains("works again after 4 failures", StringComparison.Ordinal));
    }

    [Fact]
    public async Task An_empty_answer_keeps_what_there_was()
    {
        _dns.Addresses(30, "10.0.0.1");
        await using var sets = Watch(Source());
        await Next(sets);
        var next = Next(sets);
        _dns.Addresses(30);
        Assert.Equal(30 * Second, await _time.NextWaitAsync());
        _time.Advance(30 * Second);
        Assert.Equal(Second, await _time.NextWaitAsync());
        Assert.False(next.IsCompleted);
        Assert.Contains("no addresses", _log.LatestRecord.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task One_family_that_fails_takes_nothing_away()
    {
        _dns.Addresses(30, "10.0.0.1", "fd00::1");
        await using var sets = Watch(Source());
        await Next(sets);
        var next = Next(sets);
        _dns.Fail(2, DnsServer.Aaaa);
        await _time.NextWaitAsync();
        _time.Advance(30 * Second);
        Assert.Equal(Second, await _time.NextWaitAsync());
        Assert.False(next.IsCompleted);
    }

    [Fact]
    public async Task The_same_addresses_in_another_order_are_no_change()
    {
        _dns.Addresses(30, "10.0.0.1", "10.0.0.2");
        await using var sets = Watch(Source());
        await Next(sets);
        var next = Next(sets);
        _dns.Addresses(20, "10.0.0.2", "10.0.0.1");
        await _time.NextWaitAsync();
        _time.Advance(30 * Second);
        Assert.Equal(20 * Second, await _time.NextWaitAsync());
        Assert.False(next.IsCompleted);
    }

    [Fact]
    public async Task Refresh_looks_up_at_once_but_not_twice_in_a_second()
    {
        _dns.Addresses(30, "10.0.0.1");
        var source = Source();
        await using var sets = Watch(source);
        await Next(sets);
        var next = Next(sets);
        await _time.NextWaitAsync();
        _dns.Addresses(30, "10.0.0.2");
        _time.Advance(0.25 * Second);
        var asked = _dns.Asked;
        source.Refresh();
        source.Refresh();
        Assert.Equal(0.75 * Second, await _time.NextWaitAsync()); // the rest of the second
        Assert.Equal(asked, _dns.Asked);
        _time.Advance(0.75 * Second);
        Assert.Equal(["10.0.0.2:8080"], await next);
        Assert.Equal(asked + 2, _dns.Asked);
    }

    [Fact]
    public async Task A_slow_answer_is_waited_for()
    {
        var gate = new TaskCompletionSource();
        _dns.Gate = gate.Task;
        _dns.Addresses(30, "10.0.0.1");
        await using var sets = Watch(Source());
        var first = Next(sets);
        Assert.False(first.IsCompleted);
        gate.SetResult();
        Assert.Equal(["10.0.0.1:8080"], await first);
    }

    [Fact]
    public void Sources_of_equal_options_and_clock_are_equal()
    {
        Assert.Equal(Source(), Source());
        Assert.Equal(Source().GetHashCode(), Source().GetHashCode());
        Assert.NotEqual(Source(), Source(options => options.Port = 81));
        Assert.NotEqual(Source(), new DnsSource(Options(), new WatchedTime()));
    }

    [Fact]
    public void Options_changed_after_the_source_was_made_change_nothing()
    {
        var options = Options();
        var source = new DnsSource(options, _time);
        options.Port = 1;
        Assert.Equal(Source(), source);
    }

    [Fact]
    public void Faults_are_told_with_value_and_cure()
    {
        var fault = Assert.Throws<ArgumentException>(() => new DnsSource(new DnsOptions
        {
            Host = "10.0.0.1",
            Port = -1,
            Scheme = "ht tp",
            MinTtl = TimeSpan.Zero,
            MaxTtl = TimeSpan.FromSeconds(-1),
            Timeout = TimeSpan.Zero,
            Server = "dns",
        }));
        foreach (var name in (string[])["Host is '10.0.0.1'", "Port is -1", "Scheme is 'ht tp'", "MinTtl is 00:00:00", "MaxTtl is -00:00:01", "Timeout is 00:00:00", "Server is 'dns'"])
        {
            Assert.Contains(name, fault.Message, StringComparison.Ordinal);
        }
    }

    private DnsOptions Options() => new() { Host = "orders.svc", Port = 8080, Server = _dns.Address, Timeout = TimeSpan.FromSeconds(30) };

    private DnsSource Source(Action<DnsOptions>? change = null)
    {
        var options = Options();
        change?.Invoke(options);
        return new DnsSource(options, _time, _log);
    }

    private static Watching Watch(DnsSource source) => new(source);

    private static async Task<IEnumerable<string>> Next(Watching sets) => (await sets.NextAsync()).Select(destination => destination.Name);
}
