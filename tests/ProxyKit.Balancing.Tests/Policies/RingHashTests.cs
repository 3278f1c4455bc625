namespace ProxyKit.Balancing.Tests.Policies;

public class RingHashTests
{
    [Theory]
    [InlineData(160, 1.5), InlineData(1000, 1.2)]
    public void The_busiest_has_not_much_more_than_the_mean(int points, double most)
    {
        var picker = new RingHash { PointsPerWeight = points }.Prepare(Given.Members(Enumerable.Repeat(1, 10)));
        var counts = picker.Map(50_000).CountBy(name => name).Select(count => count.Value);
        Assert.InRange(counts.Max() / 5000.0, 1, most);
    }

    [Fact]
    public void A_ring_beyond_its_bound_keeps_the_ratios_of_weights()
    {
        var picker = new RingHash { MaxPoints = 3000 }.Prepare(Given.Members(256, 128, 128));
        Assert.Contains("of 3000 points", picker.Explain(new PickRequest(0, 0, 1), Given.Member("x")), StringComparison.Ordinal);
        Assert.InRange(picker.Map(20_000).Count(name => name == "m000"), 9000, 11_000);
    }

    [Fact]
    public void A_small_ring_grows_to_its_bound()
    {
        var picker = new RingHash { PointsPerWeight = 1, MinPoints = 1000 }.Prepare(Given.Members(1, 1));
        Assert.Contains("of 1000 points", picker.Explain(new PickRequest(0, 0, 1), Given.Member("x")), StringComparison.Ordinal);
    }

    [Fact]
    public void Faults_are_told_with_value_and_cure() => Assert.Equal(
        [
            "PointsPerWeight is 0; it must be 1 to 10000.",
            "MaxPoints is 0; it must be 1 to 8388608.",
            "MinPoints is 5; it must be 0 to MaxPoints, which is 0.",
        ],
        new RingHash { PointsPerWeight = 0, MaxPoints = 0, MinPoints = 5 }.Faults());
}
