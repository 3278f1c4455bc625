namespace Failover;

/// <summary>Where an act is played: three backends, a gateway before them, and a load that runs.</summary>
internal sealed class Stage(IReadOnlyList<Backend> backends, IGateway gateway, OpenLoad load, TimeSpan length, CancellationToken stopping)
{
    private Backend[] _faulty = [];

    public IReadOnlyList<Backend> Backends { get; } = backends;

    public Backend Second => Backends[1];

    public IGateway Gateway { get; } = gateway;

    /// <summary>When the fault was, in the load's time and in milliseconds of Unix time.</summary>
    public (TimeSpan At, long Clock)? Fault { get; private set; }

    /// <summary>When what had died was started again, which takes the machine's time.</summary>
    public TimeSpan? Starting { get; private set; }

    /// <summary>When what had died listened again.</summary>
    public (TimeSpan At, long Clock)? Back { get; private set; }

    /// <summary>Those that died.</summary>
    public IReadOnlyList<Backend> Faulty => _faulty;

    /// <summary>Waits until that share of the act is over.</summary>
    public Task WhenAsync(double share) => load.WhenAsync(length * share).WaitAsync(stopping);

    /// <summary>Says that the fault begins now.</summary>
    public void BeginFault(params Backend[] faulty) => (Fault, _faulty) = (Now(), faulty);

    public Task KillAsync(params Backend[] victims)
    {
        BeginFault(victims);
        return Task.WhenAll(victims.Select(backend => backend.KillAsync()));
    }

    public async Task StartAsync(params Backend[] dead)
    {
        Starting = load.Elapsed;
        await Task.WhenAll(dead.Select(backend => backend.StartAsync()));
        Back = Now();
    }

    /// <summary>The one that is slower than the others.</summary>
    public Backend? Slow { get; private set; }

    public Task SlowDownAsync(Backend backend, TimeSpan wait)
    {
        Slow = backend;
        return backend.SlowDownAsync(wait);
    }

    private (TimeSpan, long) Now() => (load.Elapsed, TimeProvider.System.GetUtcNow().ToUnixTimeMilliseconds());
}
