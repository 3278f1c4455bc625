namespace ProxyKit;

/// <summary>Draws two different members by weight and takes the less busy for its weight: nearly as even as asking all, at the price of two. The default.</summary>
/// <remarks>Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing", 2001. Load counts failures, see <see cref="Member.Load"/>.</remarks>
public sealed class PowerOfTwo : IBalancingPolicy
{
    /// <inheritdoc/>
    public IPicker Prepare(PoolSnapshot snapshot)
    {
        ArgumentNullException.ThrowIfNull(snapshot);
        return new Picker(new WeightedDraw(snapshot.Available));
    }

    private sealed class Picker(WeightedDraw draw) : IPicker
    {
        public Member? Pick(in PickRequest request)
        {
            if (draw.Count == 0)
            {
                return null;
            }

            var (first, second) = Two(request.Random);
            return (request.Allows(first), request.Allows(second)) switch
            {
                (true, true) => LessBusy(first, second),
                (true, false) => first,
                (false, true) => second,
                _ => LeastBusyAllowed(request),
            };
        }

        public string Explain(in PickRequest request, Member picked)
        {
            var (first, second) = Two(request.Random);
            return picked.IsSame(first) || picked.IsSame(second)
                ? $"drew {first.Destination.Name} at load {first.Load:0.##} and {second.Destination.Name} at load {second.Load:0.##}"
                : $"drew {first.Destination.Name} and {second.Destination.Name}, which were tried or full; of the rest it is the least busy, at load {picked.Load:0.##}";
        }

        private (Member First, Member Second) Two(ulong random)
        {
            var (first, second) = draw.DrawTwo(random);
            return (draw[first], draw[second]);
        }

        private Member? LeastBusyAllowed(in PickRequest request)
        {
            Member? best = null;
            var start = draw.Draw(request.Random);
            for (var i = 0; i < draw.Count; i++)
            {
                var member = draw[(start + i) % draw.Count];
                if (request.Allows(member))
                {
                    best = best is null ? member : LessBusy(best, member);
                }
            }

            return best;
        }

        // Compared as they would be with the request, so that of an idle small member and a large one with a little to do the large one
        // serves. Two idle ones are a tie, and a tie goes to the first drawn: an idle pool is shared by weight.
        private static Member LessBusy(Member first, Member second)
        {
            var (one, other) = (first.Load, second.Load);
            return (one > 0 || other > 0) && (other + 1) / second.Weight < (one + 1) / first.Weight ? second : first;
        }
    }
}
