namespace ProxyKit.Balancing;

/// <summary>Draws a member by weight, in constant time, blind to how busy it is.</summary>
/// <remarks>
/// The alias method, see <see cref="WeightedDraw"/>. Many gateways that know nothing of each other share the traffic well with it;
/// <see cref="PowerOfTwo"/> nearly always does better for the price of a second draw.
/// </remarks>
public sealed class WeightedRandom : IBalancingPolicy
{
    /// <inheritdoc/>
    public IPicker Prepare(PoolSnapshot snapshot)
    {
        ArgumentNullException.ThrowIfNull(snapshot);
        return new Picker(new WeightedDraw(snapshot.Available));
    }

    private sealed class Picker(WeightedDraw draw) : IPicker
    {
        private const int Redraws = 8;

        public Member? Pick(in PickRequest request)
        {
            if (draw.Count == 0)
            {
                return null;
            }

            // Drawing again keeps the weights among those that are left; only where most are out does it give up.
            var random = request.Random;
            for (var i = 0; i < Redraws; i++)
            {
                var drawn = draw[draw.Draw(random)];
                if (request.Allows(drawn))
                {
                    return drawn;
                }

                random = WeightedDraw.Mix(random);
            }

            return DrawAllowed(random, request);
        }

        public string Explain(in PickRequest request, Member picked) => $"drawn by weight {picked.Weight:0.##}";

        private Member? DrawAllowed(ulong random, in PickRequest request)
        {
            Member? drawn = null;
            var total = 0.0;
            for (var i = 0; i < draw.Count; i++)
            {
                var member = draw[i];
                if (request.Allows(member))
                {
                    total += member.Weight;
                    random = WeightedDraw.Mix(random);
                    drawn = drawn is null || Chance.Unit(random) * total < member.Weight ? member : drawn;
                }
            }

            return drawn;
        }
    }
}
