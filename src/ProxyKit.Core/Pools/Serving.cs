namespace ProxyKit;

/// <summary>Decides who of a pool gets new traffic, and how much of its weight counts.</summary>
internal static class Serving
{
    // Five of seven carry what all would: the factor by which Envoy overprovisions.
    private const double Overprovisioning = 1.4;

    private static readonly PanicOptions None = new() { Threshold = 0 };

    /// <summary>What comes of each candidate.</summary>
    /// <param name="candidates">Active members of a weight above 0: their tiers, and what is believed of them.</param>
    /// <param name="panic">What is done where too few are healthy; null asks all where none is.</param>
    public static Part[] Choose(ReadOnlySpan<(int Tier, Availability Availability)> candidates, PanicOptions? panic)
    {
        panic ??= None;
        var tiers = new SortedDictionary<int, Tier>();
        foreach (var (number, availability) in candidates)
        {
            if (availability != Availability.Draining) // one that leaves on purpose is not missed: its tier is that much smaller
            {
                tiers.TryAdd(number, new Tier());
                tiers[number].Count(availability);
            }
        }

        var isCarried = tiers.Values.Sum(tier => Math.Min(1, tier.Usable * Overprovisioning / tier.All)) >= 1;
        var isEmpty = tiers.Values.All(tier => tier.Usable == 0);
        var parts = new Part[candidates.Length];
        for (var i = 0; i < parts.Length; i++)
        {
            var (number, availability) = candidates[i];
            parts[i] = availability == Availability.Draining ? default : tiers[number].Of(availability, panic, isCarried, isEmpty);
        }

        return parts;
    }

    /// <summary>What comes of a candidate.</summary>
    /// <param name="Serves">Whether it gets new traffic.</param>
    /// <param name="Share">How much of its weight counts.</param>
    /// <param name="IsOnTrial">Whether it gets one request at a time.</param>
    /// <param name="IsInPanic">Whether that is so for want of healthy ones.</param>
    public readonly record struct Part(bool Serves, double Share, bool IsOnTrial, bool IsInPanic);

    private sealed class Tier
    {
        private int _up;
        private int _degraded;

        public int All { get; private set; }

        public int Usable => _up + _degraded;

        public void Count(Availability availability)
        {
            All++;
            _up += availability == Availability.Up ? 1 : 0;
            _degraded += availability == Availability.Degraded ? 1 : 0;
        }

        public Part Of(Availability availability, PanicOptions panic, bool isCarried, bool isEmpty)
        {
            if (isEmpty || (!isCarried && (double)Usable / All < panic.Threshold))
            {
                return panic.Mode == PanicMode.UseAll ? new(true, 1, false, true)
                    : availability == Availability.Trial ? new(true, 1, true, true)
                    : new(false, 0, false, true);
            }

            return availability switch
            {
                Availability.Up => new(true, 1, false, false),
                Availability.Degraded => Spilled() is var share and > 0 ? new(true, share, false, false) : default,
                Availability.Trial => new(true, 1, true, false),
                _ => default,
            };
        }

        // Together the degraded carry what the healthy ones cannot, as a later tier would: 0 while five of seven are healthy, all where none is.
        private double Spilled()
        {
            var carried = Math.Min(1, _up * Overprovisioning / All);
            return _up == 0 ? 1 : (1 - carried) / carried * _up / _degraded;
        }
    }
}
