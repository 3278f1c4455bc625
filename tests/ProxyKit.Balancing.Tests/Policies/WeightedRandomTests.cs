using CsCheck;

namespace ProxyKit.Balancing.Tests.Policies;

public class WeightedRandomTests
{
    [Fact]
    public void Members_are_drawn_by_weight() => Given.Weights.Sample(
        weights =>
        {
            var members = Given.Members(weights);
            Given.SharedByWeight(new WeightedRandom().Prepare(members).Draw(20_000), members);
        },
        iter: 20);

    [Theory]
    [InlineData(1), InlineData(5)]
    public void Those_left_are_drawn_by_weight_when_others_were_tried(int tried)
    {
        var members = Given.Members(3, 1, 2, 5, 8, 1, 4);
        var counts = new WeightedRandom().Prepare(members).Draw(20_000, members[..tried]);
        Given.SharedByWeight(counts, members[tried..]);
    }
}
