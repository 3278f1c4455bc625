using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Time.Testing;

using ProxyKit.Tests.Pools;

namespace ProxyKit.Tests.Composition;

public sealed class PoolControlTests : IDisposable
{
    private readonly FakeTimeProvider _time = new();
    private readonly ServiceProvider _provider;

    public PoolControlTests()
    {
        var services = new ServiceCollection();
        services.AddSingleton<TimeProvider>(_time);
        services.AddProxyKit()
            .AddPool("users", "http://c")
            .AddPool("orders", Some.Destinations("b", "a")).WithPolicy(new RoundRobin()).WithDrain(new DrainOptions { Timeout = TimeSpan.FromSeconds(7) });
        _provider = services.BuildServiceProvider();
    }

    private IPoolControl Control => _provider.GetRequiredService<IPoolControl>();

    private Pool Orders => _provider.GetRequiredService<PoolDirectory>().Find("orders");

    public void Dispose() => _provider.Dispose();

    [Fact]
    public void It_shows_each_pool_as_it_stands()
    {
        Assert.Equal(["orders", "users"], Control.Pools.Select(pool => pool.Name));
        var began = _time.GetUtcNow();
        _time.Advance(TimeSpan.FromSeconds(3));
        using var lease = Orders.PickOn("a");
        Orders.Believe("a", "reported", Availability.Degraded, "it says so");
        Orders.Believe("a", "outliers", Availability.Down, "3 in a row");
        Orders.Believe("b", "probe", Availability.Trial);
        Orders.SetAdmission(0.25);
        var status = Control.Find("orders");
        Assert.Equal(("orders", "RoundRobin", true, true, 0.25, 0), (status.Name, status.Policy, status.IsReady, status.IsInPanic, status.Admission, status.Waiting));
        var (b, a) = (status.Destinations[0], status.Destinations[1]);
        Assert.Equal(("a", new Uri("http://a:80"), MemberStanding.Down, MemberState.Active, "3 in a row", _time.GetUtcNow(), 1), (a.Name, a.Address, a.Standing, a.State, a.Reason, a.Since, a.InFlight));
        Assert.Equal(["reported", "outliers"], a.Beliefs.Select(belief => belief.Source));
        Assert.Equal((MemberStanding.Trial, "probe", null), (b.Standing, b.Reason, b.Latency)); // the source, where it gave no reason
        Assert.Equal((MemberStanding.Active, null, began), Control.Find("users").Destinations.Select(c => (c.Standing, c.Reason, c.Since)).Single());
    }

    [Fact]
    public void It_switches_states_and_keeps_why_and_since_when()
    {
        _time.Advance(TimeSpan.FromSeconds(3));
        Assert.True(Control.SetState("orders", "a", MemberState.Off, "repair"));
        Assert.False(Control.SetState("orders", "a", MemberState.Off, "again"));
        Orders.Believe("a", "probe", Availability.Down, "it refuses");
        var a = Control.Find("orders").Destinations[1];
        Assert.Equal((MemberStanding.Off, "repair", _time.GetUtcNow()), (a.Standing, a.Reason, a.Since)); // what somebody chose says more
        Assert.True(Control.SetState("orders", "a", MemberState.Active));
        Assert.Equal((MemberStanding.Down, "it refuses"), Control.Find("orders").Destinations.Select(one => (one.Standing, one.Reason)).Last());
    }

    [Fact]
    public async Task It_drains_for_as_long_as_the_pool_says_or_as_it_is_told()
    {
        Assert.Equal(0, await Control.DrainAsync("orders", "a", reason: "rollout", cancellationToken: Some.Token));
        Assert.Equal(MemberStanding.Off, Control.Find("orders").Destinations[1].Standing);
        using var lease = Orders.PickOn("b");
        var drain = Control.DrainAsync("orders", "b", reason: "rollout", cancellationToken: Some.Token);
        Assert.Equal((MemberStanding.Draining, "rollout"), Control.Find("orders").Destinations.Select(one => (one.Standing, one.Reason)).First());
        _time.Advance(TimeSpan.FromSeconds(6.9));
        Assert.False(drain.IsCompleted);
        _time.Advance(TimeSpan.FromSeconds(0.1));
        Assert.Equal(1, await drain.WaitAsync(TimeSpan.FromSeconds(20), TimeProvider.System, Some.Token));

        Control.SetState("orders", "b", MemberState.Active);
        using var other = Orders.PickOn("b");
        drain = Control.DrainAsync("orders", "b", TimeSpan.FromSeconds(1), cancellationToken: Some.Token);
        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal(2, await drain.WaitAsync(TimeSpan.FromSeconds(20), TimeProvider.System, Some.Token));
    }

    [Fact]
    public async Task What_there_is_not_is_told_with_what_there_is()
    {
        const string NoPool = "No pool is named 'order'. There are: 'orders', 'users'.";
        const string NoDestination = "Pool 'orders' has no destination 'c'. There are: 'a', 'b'.";
        Assert.Equal(NoPool, Assert.Throws<KeyNotFoundException>(() => Control.Find("order")).Message);
        Assert.Equal(NoPool, Assert.Throws<KeyNotFoundException>(() => Control.SetState("order", "a", MemberState.Off)).Message);
        Assert.Equal(NoPool, (await Assert.ThrowsAsync<KeyNotFoundException>(() => Control.DrainAsync("order", "a", cancellationToken: Some.Token))).Message);
        Assert.Equal(NoDestination, Assert.Throws<KeyNotFoundException>(() => Control.SetState("orders", "c", MemberState.Off)).Message);
        Assert.Equal(NoDestination, (await Assert.ThrowsAsync<KeyNotFoundException>(() => Control.DrainAsync("orders", "c", cancellationToken: Some.Token))).Message);
        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(() => Control.DrainAsync("orders", "a", TimeSpan.FromSeconds(-1), cancellationToken: Some.Token));
    }
}
