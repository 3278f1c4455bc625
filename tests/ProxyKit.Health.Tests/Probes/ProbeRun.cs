using Microsoft.Extensions.Logging.Testing;
using Microsoft.Extensions.Time.Testing;

namespace ProxyKit.Health.Tests.Probes;

/// <summary>A pool that is probed, under a clock that stands still until told.</summary>
internal sealed class ProbeRun : IAsyncDisposable
{
    private double _gone;

    public ProbeRun(ProbeOptions? options = null, params string[] names)
    {
        var destinations = (names.Length == 0 ? ["a", "b", "c"] : names).Select(Named);
        Pool = new Pool("orders", destinations, PoolSettings.Default.WithProbe(Probe, options), time: Time, seed: 1);
        Pool.MemberChanged += (_, change) =>
        {
            lock (Changes)
            {
                Changes.Add($"{change.Destination} {change.Before} {change.After}: {change.Reason}");
            }
        };
        Prober = Prober.Start(Pool, logger: Log);
    }

    public FakeTimeProvider Time { get; } = new();

    public ScriptedProbe Probe { get; } = new();

    public Pool Pool { get; }

    public Prober Prober { get; }

    public FakeLogger<Prober> Log { get; } = new();

    public List<string> Changes { get; } = [];

    public static Destination Named(string name) => new(name, new Uri($"http://{name}.invalid"));

    public Belief? BeliefOf(string name) => Pool.Snapshot.Find(name)!.Beliefs.FirstOrDefault(belief => belief.Source == "probe");

    public Availability Of(string name) => BeliefOf(name)?.Availability ?? Availability.Up;

    /// <summary>Moves the clock on in small steps, each once all that the one before brought about has ended.</summary>
    public async Task GoAsync(double seconds)
    {
        await RestAsync();
        Assert.True((_gone += seconds) < 1000, "What the test waits for does not come.");
        for (var step = 0; step < (int)Math.Round(seconds * 20); step++)
        {
            Time.Advance(TimeSpan.FromSeconds(0.05));
            await RestAsync();
        }
    }

    /// <summary>Waits until nothing goes on but what the test holds.</summary>
    public Task RestAsync() => Eventually.TrueAsync(() => Prober.Progress is var (taken, running) && taken == Pool.Snapshot && running <= Probe.Held);

    public async ValueTask DisposeAsync()
    {
        await Prober.DisposeAsync();
        Pool.Dispose();
    }
}
