namespace ProxyKit.Tests.Pools;

/// <summary>Short ways to write what nearly every test needs.</summary>
internal static class Some
{
    public static CancellationToken Token => TestContext.Current.CancellationToken;

    public static Destination Destination(string name, int weight = 1, int port = 80) => new(name, new Uri($"http://{name}:{port}")) { Weight = weight };

    public static Destination[] Destinations(params string[] names) => [.. names.Select(name => Destination(name))];

    public static PoolSettings Limit(int perDestination, int queue = 0, double timeoutSeconds = 60) => PoolSettings.Default.With(
        new LimitOptions { MaxPerDestination = perDestination, QueueLength = queue, QueueTimeout = TimeSpan.FromSeconds(timeoutSeconds) });

    public static Lease Pick(this Pool pool, params Member[] tried)
    {
        Assert.Equal(PickStatus.Picked, pool.TryPick(out var lease, tried: tried));
        return lease;
    }

    public static Member Member(this Pool pool, string name) => pool.Snapshot.Find(name) ?? throw new KeyNotFoundException(name);

    public static Lease PickOn(this Pool pool, string name)
    {
        Assert.Equal(PickStatus.Picked, pool.TryPick(out var lease, preferred: pool.Member(name)));
        Assert.Equal(name, lease.Member.Destination.Name);
        return lease;
    }
}

/// <summary>Keeps all that it is told.</summary>
internal sealed class Listener : IOutcomeObserver
{
    private readonly Lock _lock = new();
    private readonly List<(string Member, Outcome Outcome)> _heard = [];

    public IReadOnlyList<(string Member, Outcome Outcome)> Heard
    {
        get
        {
            lock (_lock)
            {
                return [.. _heard];
            }
        }
    }

    public void OnOutcome(Pool pool, Member member, in Outcome outcome)
    {
        lock (_lock)
        {
            _heard.Add((member.Destination.Name, outcome));
        }
    }
}
