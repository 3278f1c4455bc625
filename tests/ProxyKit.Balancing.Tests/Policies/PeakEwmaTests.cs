using CsCheck;

using Microsoft.Extensions.Time.Testing;

namespace ProxyKit.Balancing.Tests.Policies;

public class PeakEwmaTests
{
    [Fact]
    public void A_member_ten_times_slower_gets_less_than_a_tenth_of_a_fast_one()
    {
        var time = new FakeTimeProvider();
        using var pool = Pool(time, "slow", "fast", "quick");
        var counts = new Dictionary<string, int>();
        for (var i = 0; i < 3000; i++)
        {
            pool.TryPick(out var lease);
            var name = lease.Member.Destination.Name;
            counts[name] = counts.GetValueOrDefault(name) + 1;
            time.Advance(TimeSpan.FromMilliseconds(name == "slow" ? 100 : 10));
            lease.Report(OutcomeKind.Answered, 200);
            lease.Dispose();
        }

        Assert.True(counts["slow"] * 10 < counts["fast"], $"slow {counts["slow"]}, fast {counts["fast"]}");
    }

    [Fact]
    public void One_slow_answer_counts_at_once_and_fades_by_its_age()
    {
        var time = new FakeTimeProvider();
        using var pool = Pool(time, "a");
        var latency = pool.Snapshot.Members[0].Latency!;
        Assert.Equal(0.010, latency.Seconds, 6);
        Answer(pool, time, TimeSpan.FromMilliseconds(500), OutcomeKind.Answered, 200);
        Assert.Equal(0.5, latency.Seconds, 6);
        time.Advance(TimeSpan.FromSeconds(10));
        Assert.Equal(0.5 / Math.E, latency.Seconds, 6);
    }

    [Theory]
    [InlineData(OutcomeKind.NotConnected, null), InlineData(OutcomeKind.Broken, null), InlineData(OutcomeKind.Answered, 500), InlineData(OutcomeKind.Abandoned, null)]
    public void A_failure_is_no_sample(OutcomeKind kind, int? status)
    {
        var time = new FakeTimeProvider();
        using var pool = Pool(time, "a");
        Answer(pool, time, TimeSpan.FromSeconds(1), OutcomeKind.Answered, 200);
        var latency = pool.Snapshot.Members[0].Latency!;
        var before = latency.Seconds;
        Answer(pool, time, TimeSpan.Zero, kind, status);
        Assert.Equal(before, latency.Seconds);
    }

    [Fact]
    public void The_dearer_of_two_is_never_picked() => Gen.Select(Gen.Int[0, 9], Gen.Int[0, 9], Gen.Int[1, 5], Gen.Int[1, 5], Gen.ULong).Sample((loadA, loadB, weightA, weightB, random) =>
    {
        Member[] members = [Given.Member("a", weightA, loadA), Given.Member("b", weightB, loadB)];
        var picked = new PeakEwma().Prepare(members).Pick(new PickRequest(0, random))!;
        // No samples: the latencies are equal up to the nanoseconds in which they fade, so a tie may go either way.
        Assert.InRange((picked.Load + 1) / picked.Weight, 0, members.Min(member => (member.Load + 1) / member.Weight));
    });

    private static Pool Pool(TimeProvider time, params string[] names) =>
        new("p", names.Select(name => Given.Destination(name)), PoolSettings.Default.With(new PeakEwma()), time: time, seed: 1);

    private static void Answer(Pool pool, FakeTimeProvider time, TimeSpan after, OutcomeKind kind, int? status)
    {
        pool.TryPick(out var lease);
        time.Advance(after);
        lease.Report(kind, status);
        lease.Dispose();
    }
}
