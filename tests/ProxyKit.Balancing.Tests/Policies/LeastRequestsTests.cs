using CsCheck;

using Microsoft.Extensions.Time.Testing;

namespace ProxyKit.Balancing.Tests.Policies;

public class LeastRequestsTests
{
    [Fact]
    public void Nobody_less_busy_for_its_weight_is_passed_over() =>
        Gen.Select(Gen.Select(Gen.Int[0, 20], Gen.Int[1, 5]).Array[1, 20], Gen.ULong).Sample((loads, random) =>
        {
            var members = loads.Select((load, i) => Given.Member($"m{i}", load.Item2, load.Item1)).ToArray();
            var picked = new LeastRequests().Prepare(members).Pick(new PickRequest(0, random))!;
            Assert.Equal(members.Min(member => member.Load / member.Weight), picked.Load / picked.Weight);
        });

    [Fact]
    public void Ties_are_drawn_by_weight() => Given.Weights.Sample(
        weights =>
        {
            var members = Given.Members(weights);
            Given.SharedByWeight(new LeastRequests().Prepare([Given.Member("busy", inFlight: 1), .. members]).Draw(20_000), members);
        },
        iter: 20);

    [Fact]
    public void What_fails_at_once_does_not_look_idle()
    {
        using var pool = new Pool("p", [Given.Destination("good"), Given.Destination("dead")], PoolSettings.Default.With(new LeastRequests()), time: new FakeTimeProvider(), seed: 1);
        var asked = 0;
        for (var i = 0; i < 100; i++)
        {
            pool.TryPick(out var lease);
            asked += lease.Member.Destination.Name == "dead" ? 1 : 0;
            lease.Report(lease.Member.Destination.Name == "dead" ? OutcomeKind.NotConnected : OutcomeKind.Answered, 200);
            lease.Dispose();
        }

        Assert.InRange(asked, 0, 1);
    }
}
