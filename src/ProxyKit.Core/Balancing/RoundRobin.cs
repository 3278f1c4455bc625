namespace ProxyKit;

/// <summary>Members take turns by weight, evenly mixed: of weights 5, 1, 1 the order is a a b a c a a, not a a a a a b c.</summary>
/// <remarks>
/// The smooth weighted round robin of nginx, laid out once for a whole cycle. Over every window as long as the sum of the weights
/// (divided by what they have in common) each member serves exactly its weight, from however many threads. Sums above 4096 are
/// scaled down to it.
/// </remarks>
public sealed class RoundRobin : IBalancingPolicy
{
    private const int LongestCycle = 4096;

    /// <inheritdoc/>
    public IPicker Prepare(PoolSnapshot snapshot)
    {
        ArgumentNullException.ThrowIfNull(snapshot);
        return new Picker([.. Cycle([.. snapshot.Available])]);
    }

    private static Member[] Cycle(Member[] members)
    {
        if (members.Length == 0)
        {
            return [];
        }

        var weights = Whole(members);
        var total = weights.Sum();
        var cycle = new Member[total];
        var current = new long[members.Length];
        for (var turn = 0; turn < total; turn++)
        {
            var best = 0;
            for (var i = 0; i < members.Length; i++)
            {
                current[i] += weights[i];
                best = current[i] > current[best] ? i : best;
            }

            current[best] -= total;
            cycle[turn] = members[best];
        }

        return cycle;
    }

    // Whole weights with no common divisor. Only slow start makes fractions, and then a percent is fine enough.
    private static int[] Whole(Member[] members)
    {
        var scale = members.All(member => double.IsInteger(member.Weight)) ? 1 : 100;
        var weights = members.Select(member => Math.Max(1, (int)Math.Round(member.Weight * scale))).ToArray();
        Divide(weights);
        var total = weights.Sum(weight => (long)weight);
        if (total > LongestCycle)
        {
            weights = [.. weights.Select(weight => Math.Max(1, (int)(weight * (long)LongestCycle / total)))];
            Divide(weights);
        }

        return weights;
    }

    private static void Divide(int[] weights)
    {
        var common = weights.Aggregate(GreatestCommonDivisor);
        for (var i = 0; i < weights.Length; i++)
        {
            weights[i] /= common;
        }
    }

    private static int GreatestCommonDivisor(int a, int b) => b == 0 ? a : GreatestCommonDivisor(b, a % b);

    private sealed class Picker(Member[] cycle) : IPicker
    {
        public Member? Pick(in PickRequest request)
        {
            if (cycle.Length == 0)
            {
                return null;
            }

            var turn = (int)(request.Ticket % (ulong)cycle.Length);
            for (var i = 0; i < cycle.Length; i++)
            {
                var member = cycle[turn];
                if (request.Allows(member))
                {
                    return member;
                }

                turn = turn + 1 == cycle.Length ? 0 : turn + 1;
            }

            return null;
        }

        public string Explain(in PickRequest request, Member picked) => cycle.Length == 0 ? "" : $"turn {request.Ticket % (ulong)cycle.Length} of {cycle.Length}";
    }
}
