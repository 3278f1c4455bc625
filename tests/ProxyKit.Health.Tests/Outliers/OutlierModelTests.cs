using CsCheck;

namespace ProxyKit.Health.Tests.Outliers;

// Any sequence at all, against a naive model or against what must always hold.
public class OutlierModelTests
{
    private static readonly Gen<string> Name = Gen.Int[0, 4].Select(i => $"{(char)('a' + i)}");

    private static readonly (OutcomeKind Kind, int? Status)[] AllEnds =
    [
        (OutcomeKind.Abandoned, null),
        (OutcomeKind.Answered, 200),
        (OutcomeKind.Answered, 404),
        (OutcomeKind.Answered, 500),
        (OutcomeKind.Answered, 503),
        (OutcomeKind.NotConnected, null),
        (OutcomeKind.TimedOut, null),
        (OutcomeKind.Broken, null),
    ];

    private static readonly Gen<(OutcomeKind Kind, int? Status)> AnyEnd = Gen.Int[0, AllEnds.Length - 1].Select(i => AllEnds[i]);

    private abstract record Step;

    private sealed record End(string Name, (OutcomeKind Kind, int? Status) How, int Times) : Step;

    private sealed record Pass(int Seconds) : Step;

    private sealed record Destinations(string[] Names) : Step;

    private sealed record SetState(string Name, MemberState State) : Step;

    private sealed record Probe(string Name, bool Available) : Step;

    private sealed record Hold(string Name) : Step;

    private sealed record Release(int Which, (OutcomeKind Kind, int? Status) How) : Step;

    private sealed record Options(bool Any, double Share) : Step;

    private static readonly Gen<Step> Ends = Gen.Select(Name, AnyEnd, Gen.Int[1, 5]).Select(Step (name, how, times) => new End(name, how, times));

    private static readonly Gen<Step> Passes = Gen.Int[1, 12].Select(Step (seconds) => new Pass(seconds));

    [Fact]
    public void Rows_times_and_trials_are_as_in_the_model() =>
        Gen.Frequency((4, Ends), (2, Passes)).Array[1, 80].Sample(
            steps =>
            {
                using var watched = new Watched(Watched.Plain, "a", "b", "c", "d", "e");
                var model = new Model(["a", "b", "c", "d", "e"]);
                watched.End("a"); // from now on it is watched
                foreach (var step in steps)
                {
                    switch (step)
                    {
                        case End end:
                            for (var i = 0; i < end.Times && watched.Standing(end.Name) != MemberStanding.Down; i++)
                            {
                                watched.End(end.Name, end.How.Kind, end.How.Status);
                                model.End(end.Name, end.How.Kind, end.How.Status);
                            }

                            break;
                        case Pass pass:
                            for (var i = 0; i < pass.Seconds; i++)
                            {
                                watched.Pass(1);
                                model.Second();
                            }

                            break;
                        default:
                            break;
                    }

                    Assert.Equal(model.ToString(), string.Join(", ", watched.Pool.Snapshot.Members.Select(member => $"{member.Destination.Name} {member.Standing} {member.Notes.Of<Tally>().Ejections}")));
                }
            },
            iter: 3000);

    [Fact]
    public void Never_are_more_out_than_may_be_nor_all_whatever_happens() =>
        Gen.Frequency(
            (8, Ends),
            (3, Passes),
            (2, Name.Array[0, 5].Select(Step (names) => new Destinations([.. names.Distinct()]))),
            (2, Gen.Select(Name, Gen.Enum<MemberState>()).Select(Step (name, state) => new SetState(name, state))),
            (2, Gen.Select(Name, Gen.Bool).Select(Step (name, available) => new Probe(name, available))),
            (4, Name.Select(Step (name) => new Hold(name))),
            (4, Gen.Select(Gen.Int[0, 99], AnyEnd).Select(Step (which, how) => new Release(which, how))),
            (1, Gen.Select(Gen.Int[0, 3], Gen.Double[0.01, 1]).Select(Step (any, share) => new Options(any > 0, share)))).Array[1, 80].Sample(
            steps =>
            {
                var options = new OutlierOptions { MinVolume = 3, SuccessRateMinVolume = 3, SuccessRateMinMembers = 3, ConsecutiveConnectFailures = 2, ConsecutiveGatewayErrors = 2 };
                using var watched = new Watched(options, "a", "b", "c");
                var (pool, held) = (watched.Pool, new List<Lease>());
                foreach (var step in steps)
                {
                    switch (step)
                    {
                        case End end when pool.Snapshot.Find(end.Name) is { } member:
                            for (var i = 0; i < end.Times && pool.TryPick(out var lease, preferred: member) == PickStatus.Picked; i++)
                            {
                                lease.Report(end.How.Kind, end.How.Status);
                                lease.Dispose();
                                Check(pool);
                            }

                            break;
                        case Pass pass:
                            watched.Pass(pass.Seconds);
                            break;
                        case Destinations to:
                            pool.Update(to.Names.Select(Watched.Destination));
                            break;
                        case SetState to:
                            pool.SetState(to.Name, to.State);
                            break;
                        case Probe to:
                            pool.SetAvailable(to.Name, "probe", to.Available);
                            break;
                        case Hold hold when pool.Snapshot.Find(hold.Name) is { } member && pool.TryPick(out var lease, preferred: member) == PickStatus.Picked:
                            held.Add(lease);
                            break;
                        case Release release when held.Count > 0:
                            var which = release.Which % held.Count;
                            held[which].Report(release.How.Kind, release.How.Status);
                            held[which].Dispose();
                            held.RemoveAt(which);
                            break;
                        case Options to:
                            pool.Update(null, to.Any ? PoolSettings.Default.With(options with { MaxEjectedShare = to.Share }) : PoolSettings.Default);
                            break;
                        default:
                            break;
                    }

                    pool.Notes.Of<OutlierWatch>().TakeUp(pool); // what else comes a moment later
                    Check(pool);
                }

                held.ForEach(lease => lease.Dispose());
            },
            iter: 3000);

    // Threads that only fail, over pools of all sizes: what one decides the other has counted.
    [Fact]
    public async Task Threads_that_fail_together_take_out_no_more_than_may_be()
    {
        for (var round = 0; round < 200; round++)
        {
            var names = Enumerable.Range(0, 2 + (round % 5)).Select(i => $"{(char)('a' + i)}").ToArray();
            using var watched = new Watched(Watched.Plain with { MaxEjectedShare = round % 2 == 0 ? 0.5 : 1 }, names);
            var pool = watched.Pool;
            var members = pool.Snapshot.Members;
            using var start = new Barrier(4);
            await Task.WhenAll(Enumerable.Range(0, 4).Select(thread => Task.Run(
                () =>
                {
                    start.SignalAndWait();
                    for (var i = 0; i < 40; i++)
                    {
                        if (pool.TryPick(out var lease, preferred: members[(i + thread) % members.Length]) == PickStatus.Picked)
                        {
                            lease.Report(OutcomeKind.NotConnected);
                            lease.Dispose();
                        }

                        Check(pool);
                    }
                },
                TestContext.Current.CancellationToken)));
            Assert.Equal(OutlierRules.Room(names.Length, round % 2 == 0 ? 0.5 : 1), watched.Out);
            Assert.All(members, member => Assert.InRange(member.Notes.Of<Tally>().Ejections, 0, 1));
        }
    }

    private static void Check(Pool pool)
    {
        var snapshot = pool.Snapshot;
        var active = snapshot.Members.Where(member => member.State == MemberState.Active).ToList();
        var isOut = active.Count(member => member.Beliefs.Any(belief => belief.Source == "outliers"));
        var share = snapshot.Settings.Get<OutlierOptions>()?.MaxEjectedShare;
        Assert.True(isOut <= (share is { } of ? Math.Max(1, (int)Math.Floor((of * active.Count) + 1e-9)) : 0), $"{isOut} of {active.Count} are out");
        Assert.True(isOut == 0 || isOut < active.Count, "all are out");
    }

    /// <summary>The same, as one would tell it.</summary>
    private sealed class Model(string[] names)
    {
        private readonly Dictionary<string, One> _all = names.ToDictionary(name => name, _ => new One());
        private int _now;

        public void End(string name, OutcomeKind kind, int? status)
        {
            var one = _all[name];
            if (kind == OutcomeKind.Abandoned)
            {
                return;
            }

            var fails = kind != OutcomeKind.Answered || status >= 500;
            if (one.Standing == MemberStanding.Trial)
            {
                if (fails)
                {
                    TakeOut(one);
                }
                else
                {
                    one.Back(_now);
                }

                return;
            }

            one.Connect = kind == OutcomeKind.NotConnected ? one.Connect + 1 : 0;
            one.Gateway = !fails ? 0 : one.Gateway + (kind is OutcomeKind.TimedOut or OutcomeKind.Broken || status is 502 or 503 or 504 ? 1 : 0);
            one.Server = !fails ? 0 : one.Server + (status >= 500 ? 1 : 0);
            var counted = kind == OutcomeKind.NotConnected ? one.Connect >= 3 : fails && ((one.Gateway >= 5 && status != 500) || (one.Server >= 5 && status >= 500));
            if (counted && _all.Values.Count(other => other.Standing != MemberStanding.Active) < _all.Count / 2)
            {
                TakeOut(one);
            }
        }

        public void Second()
        {
            _now++;
            foreach (var one in _all.Values.Where(one => one.Standing == MemberStanding.Down && one.Until <= _now))
            {
                (one.Standing, one.Until) = (MemberStanding.Trial, _now + 300);
            }

            foreach (var one in _all.Values.Where(one => one.Standing == MemberStanding.Trial && one.Until <= _now))
            {
                one.Back(_now);
            }

            if (_now % 10 == 0)
            {
                foreach (var one in _all.Values.Where(one => one.Standing == MemberStanding.Active && one.InSince <= _now - 10))
                {
                    one.Times = Math.Max(0, one.Times - 1);
                }
            }
        }

        public override string ToString() => string.Join(", ", _all.Select(entry => $"{entry.Key} {entry.Value.Standing} {entry.Value.Times}"));

        private void TakeOut(One one)
        {
            one.Times++;
            one.Standing = MemberStanding.Down;
            one.Until = _now + Math.Min(300, 5 << Math.Min(20, one.Times - 1));
        }

        private sealed class One
        {
            public MemberStanding Standing = MemberStanding.Active;
            public int Connect;
            public int Gateway;
            public int Server;
            public int Times;
            public int Until;
            public int InSince;

            public void Back(int now) => (Standing, Connect, Gateway, Server, InSince) = (MemberStanding.Active, 0, 0, 0, now);
        }
    }
}
