using CsCheck;

using Microsoft.Extensions.Time.Testing;

namespace ProxyKit.Tests.Pools;

public class PoolModelTests
{
    private static readonly TimeSpan DrainTimeout = TimeSpan.FromSeconds(6);

    private static readonly Gen<string> Name = Gen.Int[0, 4].Select(i => $"{(char)('a' + i)}");

    private static readonly Gen<Destination> AnyDestination = Gen.Select(Name, Gen.Int[1, 2], Gen.Int[0, 3], Gen.Int[0, 5])
        .Select((name, port, weight, disabled) => new Destination(name, new Uri($"http://{name}:{port}")) { Weight = weight, Disabled = disabled == 0 });

    private static readonly Gen<Destination[]> Destinations = AnyDestination.Array[0, 6].Select(all => all.DistinctBy(destination => destination.Name).ToArray());

    private static readonly Gen<Step> AnyStep = Gen.Frequency(
        (2, Destinations.Select(Step (all) => new Reload(all))),
        (1, Gen.Int[0, 3].Select(Step (limit) => new SetLimit(limit))),
        (2, Gen.Select(Name, Gen.Enum<MemberState>()).Select(Step (name, state) => new SetState(name, state))),
        (2, Gen.Select(Name, Gen.Int[1, 8]).Select(Step (name, deadline) => new DrainOne(name, TimeSpan.FromSeconds(deadline)))),
        (4, Gen.Select(Name, Gen.Bool, Gen.Bool).Select(Step (name, probe, available) => new SetAvailable(name, probe ? "probe" : "outliers", available))),
        (14, Gen.Select(Gen.Int[0, 31], Gen.Int[0, 3], Name).Select(Step (tried, sticky, name) => new Take(sticky == 0 ? 0 : tried & (tried >> 1), sticky == 0 ? name : null))),
        (9, Gen.Select(Gen.Int[0, 100], Gen.Enum<OutcomeKind>(), Gen.Int[-20, 5]).Select(Step (which, kind, pause) => new Complete(which, kind, pause > 0 ? TimeSpan.FromSeconds(pause) : null))),
        (3, Gen.Int[1, 5].Select(Step (seconds) => new Advance(TimeSpan.FromSeconds(seconds)))));

    private abstract record Step;

    private sealed record Reload(Destination[] Destinations) : Step
    {
        public override string ToString() => $"Reload({string.Join(", ", Destinations.Select(d => $"{d.Name}@{d.Address.Port}x{d.Weight}{(d.Disabled ? " disabled" : "")}"))})";
    }

    private sealed record SetLimit(int Limit) : Step;

    private sealed record SetState(string Name, MemberState State) : Step;

    private sealed record DrainOne(string Name, TimeSpan Deadline) : Step;

    private sealed record SetAvailable(string Name, string Source, bool Available) : Step;

    private sealed record Take(int Tried, string? Preferred) : Step;

    private sealed record Complete(int Which, OutcomeKind Kind, TimeSpan? RetryAfter) : Step;

    private sealed record Advance(TimeSpan Time) : Step;

    [Fact]
    public void Whatever_happens_to_it_a_pool_does_as_its_model_and_equal_seeds_pick_equally() =>
        Gen.Select(Destinations, AnyStep.Array[1, 60], Gen.ULong, Gen.Bool).Sample(
            (start, steps, seed, turns) =>
            {
                using var run = new Run(start, seed, turns ? new RoundRobin() : new PowerOfTwo());
                foreach (var step in steps)
                {
                    run.Do(step);
                    run.Check();
                }

                run.Finish();
            },
            iter: 3000,
            print: sample => $"from {new Reload(sample.Item1)}, seed {sample.Item3}: {string.Join("; ", sample.Item2.Select(step => step.ToString()))}");

    private sealed class Run : IDisposable
    {
        private readonly FakeTimeProvider _time = new();
        private readonly PoolModel _model = new(DrainTimeout);
        private readonly List<(Lease Lease, Lease Twin, PoolModel.Seat Seat)> _leases = [];
        private readonly Pool _pool;
        private readonly Pool _twin;
        private readonly PoolSettings _settings;

        public Run(Destination[] start, ulong seed, IBalancingPolicy policy)
        {
            _settings = PoolSettings.Default.With(policy).With(new DrainOptions { Timeout = DrainTimeout });
            _pool = new Pool("p", start, _settings, time: _time, seed: seed);
            _twin = new Pool("p", start, _settings, time: _time, seed: seed);
            _model.Update(start);
        }

        public void Do(Step step)
        {
            switch (step)
            {
                case Reload reload:
                    _pool.Update(reload.Destinations);
                    _twin.Update(reload.Destinations);
                    _model.Update(reload.Destinations);
                    break;
                case SetLimit limit:
                    var settings = _settings.With(new LimitOptions { MaxPerDestination = limit.Limit });
                    _pool.Update(null, settings);
                    _twin.Update(null, settings);
                    _model.Limit = limit.Limit;
                    break;
                case SetState(var name, var state):
                    var seat = _model.Find(name);
                    Assert.Equal(seat is not null && PoolModel.Enter(seat, state), _pool.SetState(name, state));
                    _twin.SetState(name, state);
                    break;
                case DrainOne(var name, var deadline) when _model.Find(name) is { } drained:
                    _ = _pool.DrainAsync(name, deadline, cancellationToken: TestContext.Current.CancellationToken);
                    _ = _twin.DrainAsync(name, deadline, cancellationToken: TestContext.Current.CancellationToken);
                    _model.Drain(drained, deadline);
                    break;
                case SetAvailable(var name, var source, var available):
                    var told = _model.Find(name);
                    Assert.Equal(told is not null && (available ? told.Down.Remove(source) : told.Down.Add(source)), _pool.SetAvailable(name, source, available));
                    _twin.SetAvailable(name, source, available);
                    break;
                case Take take:
                    Pick(take);
                    break;
                case Complete(var which, var kind, var retryAfter) when _leases.Count > 0:
                    End(which % _leases.Count, kind, retryAfter);
                    break;
                case Advance advance:
                    _time.Advance(advance.Time);
                    _model.Advance(advance.Time);
                    break;
                default:
                    break;
            }
        }

        public void Check()
        {
            // The end of a drain is told on another thread; all else is there at once.
            SpinWait.SpinUntil(() => Describe(_pool) == DescribeModel() && Describe(_twin) == DescribeModel(), TimeSpan.FromSeconds(2));
            Assert.Equal(DescribeModel(), Describe(_pool));
            Assert.Equal(DescribeModel(), Describe(_twin));
            Assert.Equal(_model.Available.Select(seat => seat.Destination.Name), _pool.Snapshot.Available.Select(member => member.Destination.Name));
            Assert.All(_leases, lease => Assert.Equal(lease.Seat.Retired, lease.Lease.Member.Retired.IsCancellationRequested));
        }

        public void Finish()
        {
            var members = _leases.Select(lease => lease.Lease.Member).Concat(_pool.Snapshot.Members).ToList();
            while (_leases.Count > 0)
            {
                End(0, OutcomeKind.Answered, null);
            }

            Assert.All(members, member => Assert.Equal(0, member.InFlight));
        }

        public void Dispose()
        {
            _pool.Dispose();
            _twin.Dispose();
        }

        private void Pick(Take take)
        {
            var tried = _pool.Snapshot.Members.Where((_, i) => (take.Tried & (1 << i)) != 0).ToArray();
            var twinTried = _twin.Snapshot.Members.Where((_, i) => (take.Tried & (1 << i)) != 0).ToArray();
            var untried = _model.Available.Where(seat => !tried.Any(member => member.Destination.Name == seat.Destination.Name)).ToList();
            var eligible = untried.Where(_model.HasRoom).Select(seat => seat.Destination.Name).ToList();
            if (take.Preferred is { } sticky && _model.Find(sticky) is { } kept && _model.MayKeep(kept))
            {
                eligible = [sticky];
            }

            var status = _pool.TryPick(out var lease, preferred: take.Preferred is null ? null : _pool.Snapshot.Find(take.Preferred), tried: tried);
            var twinStatus = _twin.TryPick(out var twin, preferred: take.Preferred is null ? null : _twin.Snapshot.Find(take.Preferred), tried: twinTried);

            Assert.Equal(status, twinStatus);
            if (eligible.Count == 0)
            {
                Assert.Equal(untried.Count > 0 ? PickStatus.Full : PickStatus.NoneLeft, status);
                return;
            }

            Assert.Equal(PickStatus.Picked, status);
            var picked = lease.Member.Destination.Name;
            Assert.Contains(picked, eligible);
            Assert.Equal(picked, twin.Member.Destination.Name);
            var seat = _model.Find(picked)!;
            seat.InFlight++;
            _leases.Add((lease, twin, seat));
        }

        private void End(int which, OutcomeKind kind, TimeSpan? retryAfter)
        {
            var (lease, twin, seat) = _leases[which];
            _leases.RemoveAt(which);
            foreach (var each in (Lease[])[lease, twin])
            {
                each.Report(kind, kind == OutcomeKind.Answered ? 200 : null, retryAfter);
                each.Dispose();
                each.Report(OutcomeKind.NotConnected, retryAfter: TimeSpan.FromMinutes(1)); // too late to be heard
                each.Dispose();
            }

            _model.Complete(seat, retryAfter);
        }

        private string DescribeModel() => string.Join("\n", _model.Seats.Select(seat =>
            $"{seat.Destination.Name}@{seat.Destination.Address.Port} x{seat.Destination.Weight} {seat.State} down:{seat.Down.Count > 0} {seat.InFlight} of {_model.Limit}"));

        private static string Describe(Pool pool) => string.Join("\n", pool.Snapshot.Members.Select(member =>
            $"{member.Destination.Name}@{member.Destination.Address.Port} x{member.Weight} {member.State} down:{member.IsDown} {member.InFlight} of {member.Limit}"));
    }
}
