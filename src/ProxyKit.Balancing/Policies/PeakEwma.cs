namespace ProxyKit.Balancing;

/// <summary>Draws two different members by weight and takes the one that will likely answer sooner, by its latency of late and the requests before this one.</summary>
/// <remarks>
/// The cost of a member is latency × (load + 1) / weight, as in Finagle's <c>p2c_peak_ewma</c>. A slow answer counts at once, a fast one
/// slowly (<see cref="PeakLatency"/>); failures are no samples, so that what fails fast does not look fast. All pools that hold the same
/// destination measure it with the figures of whichever policy came first.
/// </remarks>
public sealed class PeakEwma : IBalancingPolicy, IValidatable
{
    /// <summary>How fast old latency is forgotten: after this time 1/e of it is left. The default is 10 s.</summary>
    public TimeSpan Decay { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>The latency of a member that has not answered yet. The default is 10 ms.</summary>
    public TimeSpan DefaultLatency { get; set; } = TimeSpan.FromMilliseconds(10);

    /// <inheritdoc/>
    public IPicker Prepare(PoolSnapshot snapshot)
    {
        ArgumentNullException.ThrowIfNull(snapshot);
        return new Picker(new WeightedDraw(snapshot.Available), [.. snapshot.Available.Select(member => member.TrackLatency(Decay, DefaultLatency))]);
    }

    /// <inheritdoc/>
    public IEnumerable<string> Faults()
    {
        if (Decay <= TimeSpan.Zero || Decay > TimeSpan.FromHours(1))
        {
            yield return $"{nameof(Decay)} is {Decay}; it must be more than 0 and at most an hour.";
        }

        if (DefaultLatency <= TimeSpan.Zero || DefaultLatency > TimeSpan.FromMinutes(1))
        {
            yield return $"{nameof(DefaultLatency)} is {DefaultLatency}; it must be more than 0 and at most a minute.";
        }
    }

    private sealed class Picker(WeightedDraw draw, PeakLatency[] latencies) : IPicker
    {
        public Member? Pick(in PickRequest request)
        {
            if (draw.Count == 0)
            {
                return null;
            }

            var (first, second) = draw.DrawTwo(request.Random);
            return (request.Allows(draw[first]), request.Allows(draw[second])) switch
            {
                (true, true) => draw[Cost(second) < Cost(first) ? second : first],
                (true, false) => draw[first],
                (false, true) => draw[second],
                _ => CheapestAllowed(first, request),
            };
        }

        public string Explain(in PickRequest request, Member picked)
        {
            var (first, second) = draw.DrawTwo(request.Random);
            return $"drew {Of(first)} and {Of(second)}";
        }

        private string Of(int i) => $"{draw[i].Destination.Name} at {latencies[i].Seconds * 1000:0.#} ms and load {draw[i].Load:0.##}";

        private double Cost(int i) => latencies[i].Seconds * (draw[i].Load + 1) / draw[i].Weight;

        private Member? CheapestAllowed(int start, in PickRequest request)
        {
            Member? best = null;
            var least = double.PositiveInfinity;
            for (var i = 0; i < draw.Count; i++)
            {
                var at = (start + i) % draw.Count;
                if (request.Allows(draw[at]) && (best is null || Cost(at) < least))
                {
                    (best, least) = (draw[at], Cost(at));
                }
            }

            return best;
        }
    }
}
