using CsCheck;

namespace ProxyKit.Health.Tests.Probes;

public sealed class ProbeScheduleTests
{
    private static readonly TimeSpan Second = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Quick = TimeSpan.FromMilliseconds(1);

    [Fact]
    public void Probes_of_one_never_overlap_and_each_is_probed_again_and_again_whatever_comes()
    {
        // How long each probe takes and whether it fails, by chance; members come and go meanwhile.
        Gen.Select(Gen.Int[1, 12], Gen.Int[1, 4], Gen.Select(Gen.Int[0, 4000], Gen.Bool).Array[1, 40], Gen.Int[0, 255].Array[6]).Sample((count, room, probes, there) =>
        {
            var run = new Run(new ProbeOptions { MaxConcurrent = room, Timeout = TimeSpan.FromSeconds(4) });
            var members = Members(count);
            var turn = 0;
            run.Take(members);
            for (var part = 0; part < there.Length; part++)
            {
                run.Until((part + 1) * 20 * Second, _ => probes[turn++ % probes.Length] is var (took, fails) ? (TimeSpan.FromMilliseconds(took), fails) : default);
                run.Take([.. members.Where((_, i) => (there[part] >> (i % 8) & 1) == 0)]);
            }

            foreach (var own in run.Began.GroupBy(probe => probe.Name))
            {
                var sorted = own.OrderBy(probe => probe.At).ToList();
                Assert.All(sorted.Zip(sorted.Skip(1)), pair => Assert.True(pair.Second.At >= pair.First.At + pair.First.Took));
            }

            Assert.True(run.MostRunning <= 2 * room);
        });
    }

    [Fact]
    public void Many_spread_evenly_over_the_interval()
    {
        var run = new Run(new ProbeOptions());
        run.Take(Members(1000));
        run.Until(60 * Second, _ => (Quick, false));

        // After the first, which come at once: each is probed every 5 s, and no tenth of a second has more than twice its share.
        var later = run.Began.Where(probe => probe.At >= 10 * Second).ToList();
        Assert.InRange(later.Count, 9_900, 10_100);
        Assert.All(later.GroupBy(probe => (int)(probe.At.TotalSeconds * 10)), bucket => Assert.InRange(bucket.Count(), 1, 40));
    }

    [Fact]
    public void New_ones_are_probed_at_once_as_far_as_there_is_room()
    {
        var run = new Run(new ProbeOptions { MaxConcurrent = 10 });
        var members = Members(36);
        run.Take(members[..35]);
        run.Until(TimeSpan.FromMilliseconds(35), _ => (10 * Quick, false));
        Assert.Equal([10, 10, 10, 5], run.Began.GroupBy(probe => probe.At).Select(group => group.Count()));
        run.Until(20 * Second, _ => (Quick, false));
        run.Take(members);
        run.Until(20.001 * Second, _ => (Quick, false));
        Assert.Contains(run.Began, probe => probe.Name == "d35" && probe.At == 20 * Second);
    }

    [Fact]
    public void Slow_ones_delay_no_other()
    {
        // A fifth are black holes: together they need more room than there is.
        var run = new Run(new ProbeOptions { MaxConcurrent = 10 });
        run.Take(Members(100));
        run.Until(120 * Second, name => IsHole(name) ? (2 * Second, true) : (Quick, false));
        var steady = run.Began.Where(probe => probe.At > 20 * Second).ToList();
        foreach (var own in steady.Where(probe => !IsHole(probe.Name)).GroupBy(probe => probe.Name))
        {
            Assert.All(own.Zip(own.Skip(1)), pair => Assert.InRange(pair.Second.At - pair.First.At, 4.49 * Second, 5.51 * Second));
        }

        // Nor are they forgotten.
        Assert.All(steady.Where(probe => IsHole(probe.Name)).GroupBy(probe => probe.Name), own => Assert.True(own.Count() >= 15));

        static bool IsHole(string name) => name.EndsWith('3') || name.EndsWith('7');
    }

    [Fact]
    public void A_slow_one_is_asked_again_once_it_has_ended_and_not_before()
    {
        var run = new Run(new ProbeOptions { Timeout = 12 * Second, Jitter = 0 });
        run.Take(Members(1));
        run.Until(100 * Second, _ => (12 * Second, false));
        Assert.All(run.Began.Zip(run.Began.Skip(1)), pair => Assert.InRange(pair.Second.At - pair.First.At, 12 * Second, 17 * Second));
    }

    [Fact]
    public void Removed_and_switched_off_ones_are_not_probed_and_draining_ones_are()
    {
        using var pool = new Pool("p", [.. Enumerable.Range(0, 3).Select(Named)]);
        var run = new Run(new ProbeOptions());
        run.Take(pool.Snapshot.Members);
        run.Until(10 * Second, _ => (Quick, false));
        pool.SetState("d0", MemberState.Off);
        pool.SetState("d1", MemberState.Draining);
        pool.Update([Named(0), Named(1)]);
        run.Take(pool.Snapshot.Members);
        run.Until(30 * Second, _ => (Quick, false));
        Assert.All(run.Began.Where(probe => probe.At > 10 * Second), probe => Assert.Equal("d1", probe.Name));
        Assert.True(run.Began.Count(probe => probe.At > 10 * Second) >= 3);

        // Back in use, at once.
        pool.SetState("d0", MemberState.Active);
        run.Take(pool.Snapshot.Members);
        run.Until(30.001 * Second, _ => (Quick, false));
        Assert.Contains(run.Began, probe => probe.Name == "d0" && probe.At == 30 * Second);
    }

    [Fact]
    public void Other_options_count_from_the_next_probe_on_and_verdicts_stay()
    {
        var run = new Run(new ProbeOptions { Jitter = 0 });
        run.Take(Members(5));
        run.Until(30 * Second, _ => (Quick, true));
        Assert.All(run.Schedule.Targets, target => Assert.Equal(Availability.Down, target.Verdict.Availability));
        run.Use(new ProbeOptions { Interval = 2 * Second, DownInterval = 2 * Second, Jitter = 0 });
        Assert.All(run.Schedule.Targets, target => Assert.Equal(Availability.Down, target.Verdict.Availability));
        var before = run.Began.Count;
        run.Until(50 * Second, _ => (Quick, true));
        Assert.InRange(run.Began.Count - before, 48, 55);
    }

    [Fact]
    public void One_that_somebody_doubts_is_probed_soon_and_no_more_often_for_it()
    {
        var run = new Run(new ProbeOptions { Jitter = 0 });
        run.Take(Members(1));
        run.Until(12 * Second, _ => (Quick, false));
        var last = run.Began[^1].At;
        run.Schedule.Hurry("d0", last);
        run.Schedule.Hurry("d0", last);
        run.Schedule.Hurry("nobody", last);
        run.Until(last + (1.01 * Second), _ => (Quick, false));
        Assert.Equal(last + Second, run.Began[^1].At);
        var count = run.Began.Count;
        run.Until(last + (2.9 * Second), _ => (Quick, false));
        Assert.Equal(count, run.Began.Count);
    }

    [Fact]
    public void One_that_got_another_address_is_another()
    {
        using var pool = new Pool("p", [Named(0)]);
        var run = new Run(new ProbeOptions());
        run.Take(pool.Snapshot.Members);
        run.Until(30 * Second, _ => (Quick, true));
        var old = Assert.Single(run.Schedule.Targets);
        pool.Update([new Destination("d0", new Uri("http://elsewhere"))]);
        run.Take(pool.Snapshot.Members);
        var own = Assert.Single(run.Schedule.Targets);
        Assert.True(old.IsGone);
        Assert.Equal((Availability.Up, false), (own.Verdict.Availability, own.Verdict.IsJudged));
    }

    private static Destination Named(int i) => new($"d{i}", new Uri($"http://d{i}"));

    private static Member[] Members(int count) => [.. Enumerable.Range(0, count).Select(i => new Member(Named(i)))];

    /// <summary>Time without a clock: it jumps to whatever is next, a turn or the end of a probe.</summary>
    private sealed class Run
    {
        private readonly PriorityQueue<(ProbeTarget Target, bool Fails), TimeSpan> _ends = new();
        private ProbeOptions _options;
        private TimeSpan _now;

        public Run(ProbeOptions options)
        {
            _options = options;
            Schedule.Use(options, TimeSpan.Zero);
        }

        public ProbeSchedule Schedule { get; } = new();

        public List<(string Name, TimeSpan At, TimeSpan Took)> Began { get; } = [];

        public int MostRunning { get; private set; }

        public void Take(IEnumerable<Member> members) => Schedule.Take(members, _now);

        public void Use(ProbeOptions options)
        {
            _options = options;
            Schedule.Use(options, _now);
        }

        public void Until(TimeSpan end, Func<string, (TimeSpan Took, bool Fails)> probe)
        {
            while (true)
            {
                foreach (var target in Schedule.Start(_now))
                {
                    var (took, fails) = probe(target.Member.Destination.Name);
                    Began.Add((target.Member.Destination.Name, _now, took));
                    _ends.Enqueue((target, fails), _now + took);
                }

                MostRunning = Math.Max(MostRunning, _ends.Count);
                var next = Schedule.NextDue is { } due ? due : TimeSpan.MaxValue;
                var isEnd = _ends.TryPeek(out _, out var ends) && ends <= next;
                next = isEnd ? ends : next;
                if (next > end)
                {
                    _now = end;
                    return;
                }

                _now = next;
                if (isEnd)
                {
                    var (target, fails) = _ends.Dequeue();
                    target.Verdict = target.Verdict.After(fails ? ProbeResult.Unhealthy("") : ProbeResult.Healthy, _options);
                    Schedule.Ended(target, !fails, _now);
                }
            }
        }
    }
}
