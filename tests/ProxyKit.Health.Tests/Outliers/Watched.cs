using Microsoft.Extensions.Time.Testing;

namespace ProxyKit.Health.Tests.Outliers;

/// <summary>A pool whose outliers are watched, under a clock of its own, and short ways to let requests end.</summary>
internal sealed class Watched : IDisposable
{
    public static readonly TimeSpan Step = TimeSpan.FromSeconds(1);

    public Watched(OutlierOptions? options, params string[] names)
        : this(options is null ? PoolSettings.Default : PoolSettings.Default.With(options), names)
    {
    }

    public Watched(PoolSettings settings, params string[] names) =>
        Pool = new Pool("p", names.Select(Destination), settings, [new OutlierDetection()], Time, seed: 1);

    public FakeTimeProvider Time { get; } = new();

    public Pool Pool { get; }

    public static TimeSpan Seconds(double seconds) => TimeSpan.FromSeconds(seconds);

    /// <summary>Without chance, and without what only intervals find.</summary>
    public static OutlierOptions Plain => new() { Jitter = 0, FailureShare = 0, FailureExcess = 0, SuccessRateDeviations = 0 };

    public static Destination Destination(string name) => new(name, new Uri($"http://{name}:80"));

    public Member Member(string name) => Pool.Snapshot.Find(name) ?? throw new KeyNotFoundException(name);

    public MemberStanding Standing(string name) => Member(name).Standing;

    public string? Reason(string name) => Member(name).Beliefs.Single(belief => belief.Source == "outliers").Reason;

    public Tally Tally(string name) => Member(name).Notes.Of<Tally>();

    public int Out => Pool.Snapshot.Members.Count(member => member.Beliefs.Any(belief => belief.Source == "outliers"));

    public Lease Pick(string name)
    {
        Assert.Equal(PickStatus.Picked, Pool.TryPick(out var lease, preferred: Member(name)));
        Assert.Equal(name, lease.Member.Destination.Name);
        return lease;
    }

    public void End(string name, OutcomeKind kind = OutcomeKind.Answered, int? status = null, TimeSpan? retryAfter = null, int times = 1)
    {
        for (var i = 0; i < times; i++)
        {
            using var lease = Pick(name);
            lease.Report(kind, kind == OutcomeKind.Answered ? status ?? 200 : null, retryAfter);
        }
    }

    public void Refuse(string name, int times = 3) => End(name, OutcomeKind.NotConnected, times: times);

    /// <summary>Passes time in steps, so that each timer sees its own moment.</summary>
    public void Pass(double seconds)
    {
        for (var left = TimeSpan.FromSeconds(seconds); left > TimeSpan.Zero; left -= Step)
        {
            if (Pool.Notes.Of<OutlierWatch>() is { Options: not null } watch)
            {
                watch.TakeUp(Pool); // else another thread might do so while the clock moves, and set the timer by a moment that has gone
            }

            Time.Advance(left < Step ? left : Step);
        }
    }

    public void Dispose() => Pool.Dispose();
}
