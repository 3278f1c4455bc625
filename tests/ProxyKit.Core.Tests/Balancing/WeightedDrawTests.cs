using CsCheck;

namespace ProxyKit.Tests.Balancing;

public class WeightedDrawTests
{
    [Fact]
    public void Each_is_drawn_by_its_weight_to_the_last_column() =>
        Gen.Int[1, 256].Array[1, 12].Sample(weights =>
        {
            // All columns and an even grid of what decides within one: the share is then exact but for the grid.
            var draw = new WeightedDraw(weights.Select((weight, i) => new Member(new Destination($"{i}", new Uri("http://a")) { Weight = weight })));
            const int Grid = 2_000;
            var drawn = new double[weights.Length];
            for (var column = 0; column < weights.Length; column++)
            {
                var high = ((ulong)column << 32) / (ulong)weights.Length + 1;
                for (var i = 0; i < Grid; i++)
                {
                    drawn[draw.Draw((high << 32) | (uint)((i + 0.5) / Grid * uint.MaxValue))]++;
                }
            }

            var total = (double)weights.Sum();
            for (var i = 0; i < weights.Length; i++)
            {
                Assert.Equal(weights[i] / total, drawn[i] / (Grid * weights.Length), 0.001);
            }
        });

    [Fact]
    public void Draws_agree_with_the_weights_by_chi_square()
    {
        int[] weights = [1, 2, 5, 30];
        var draw = new WeightedDraw(weights.Select((weight, i) => new Member(new Destination($"{i}", new Uri("http://a")) { Weight = weight })));
        var drawn = new int[4];
        for (var i = 0UL; i < 100_000; i++)
        {
            drawn[draw.Draw(WeightedDraw.Mix(i))]++;
        }

        var chiSquare = weights.Zip(drawn, (weight, count) => Math.Pow(count - (100_000.0 * weight / 38), 2) / (100_000.0 * weight / 38)).Sum();
        Assert.InRange(chiSquare, 0, 30.7); // p > 1e-6 at 3 degrees of freedom
    }
}
