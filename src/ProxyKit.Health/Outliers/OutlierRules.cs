using System.Globalization;

namespace ProxyKit.Health;

/// <summary>Decides who is an outlier, how many may be out, and for how long.</summary>
internal static class OutlierRules
{
    // Half the statistic of a G-test, natural logarithms: that two equal members come to differ so much happens less than once in ten million times.
    private const double Evident = 15;

    // A success rate that lies less than this below the others' is no reason to do without a destination, however certain it is.
    private const double LeastGap = 0.05;

    /// <summary>How many of so many active members may be out: never all, and always one where there is another.</summary>
    public static int Room(int active, double share) => Math.Min(Math.Max(1, (int)Math.Floor((share * active) + 1e-9)), Math.Max(0, active - 1));

    /// <summary>How long the member is out for the nth time: doubled each time, something added by chance, never more than the most.</summary>
    /// <param name="options">The base, the most and the jitter.</param>
    /// <param name="times">How often it was, this time included.</param>
    /// <param name="chance">0 to 1. As what it adds is less than the doubling, no time is shorter than the one before.</param>
    public static TimeSpan EjectionTime(OutlierOptions options, int times, double chance)
    {
        var wanted = options.BaseEjection.Ticks * Math.Pow(2, Math.Min(times - 1, 40)) * (1 + (options.Jitter * chance));
        return TimeSpan.FromTicks((long)Math.Min(wanted, options.MaxEjection.Ticks));
    }

    /// <summary>Compares what the members ended in an interval.</summary>
    /// <returns>The outliers, by their index, the worst first.</returns>
    public static IReadOnlyList<Outlier> Judge(ReadOnlySpan<Window> members, OutlierOptions options)
    {
        var outliers = new List<Outlier>();
        var rates = new Rates(members, options);
        for (var i = 0; i < members.Length; i++)
        {
            if (JudgeFailures(i, members, options, rates) is { } failing)
            {
                outliers.Add(failing);
            }
            else if (JudgeLatency(i, members, options, rates) is { } slow)
            {
                outliers.Add(slow);
            }
        }

        return [.. outliers.OrderByDescending(outlier => outlier.Weight)];
    }

    private static Outlier? JudgeFailures(int index, ReadOnlySpan<Window> members, OutlierOptions options, Rates rates)
    {
        var own = members[index];
        var isCompared = own.Volume >= options.MinVolume && rates.Compared >= options.MinMembers;
        if (isCompared && options.FailureShare > 0 && own.FailureShare >= options.FailureShare)
        {
            return new(index, OutlierKind.FailureShare, 1 + own.FailureShare, $"{Percent(own.FailureShare)} of {own.Volume} requests failed");
        }

        var others = new Window(rates.Volume - own.Volume, rates.Failures - own.Failures, default);
        if (isCompared && options.FailureExcess > 0 && own.FailureShare - others.FailureShare >= options.FailureExcess && Evidence(own, others) >= Evident)
        {
            return new(index, OutlierKind.FailureExcess, 1 + own.FailureShare, $"{Percent(own.FailureShare)} of {own.Volume} requests failed; the others {Percent(others.FailureShare)}");
        }

        if (options.SuccessRateDeviations > 0 && own.Volume >= options.SuccessRateMinVolume && rates.Rated >= options.SuccessRateMinMembers)
        {
            var (least, success) = (rates.Mean - (options.SuccessRateDeviations * rates.Deviation), 1 - own.FailureShare);
            var rest = new Window(rates.RatedVolume - own.Volume, rates.RatedFailures - own.Failures, default);
            if (success < least && own.FailureShare - rest.FailureShare >= LeastGap && Evidence(own, rest) >= Evident)
            {
                return new(
                    index,
                    OutlierKind.SuccessRate,
                    1 + own.FailureShare,
                    string.Create(CultureInfo.InvariantCulture, $"{Percent(success)} of {own.Volume} requests succeeded, less than {Percent(least)}, {options.SuccessRateDeviations:0.##} deviations below the mean"));
            }
        }

        return null;
    }

    private static Outlier? JudgeLatency(int index, ReadOnlySpan<Window> members, OutlierOptions options, Rates rates)
    {
        var own = members[index];
        if (options.LatencyFactor == 0 || own.Volume < options.MinVolume || rates.Compared < options.MinMembers || own.Median <= options.LatencyFloor)
        {
            return null;
        }

        var others = new List<TimeSpan>();
        for (var i = 0; i < members.Length; i++)
        {
            if (i != index && members[i].Volume >= options.MinVolume)
            {
                others.Add(members[i].Median);
            }
        }

        others.Sort();
        var usual = others[others.Count / 2]; // of two the slower one: in doubt nobody is out
        return own.Median > usual * options.LatencyFactor
            ? new(index, OutlierKind.Latency, own.Median / (own.Median + usual), string.Create(CultureInfo.InvariantCulture, $"half of its answers took more than {own.Median.TotalMilliseconds:0} ms; of the others {usual.TotalMilliseconds:0} ms"))
            : null;
    }

    // How unlikely it is that both are samples of the same thing, in natural logarithms: a bound that holds for small counts too, where deviations do not.
    private static double Evidence(Window one, Window other)
    {
        if (other.Volume == 0)
        {
            return 0;
        }

        var all = (double)(one.Failures + other.Failures) / (one.Volume + other.Volume);
        return (one.Volume * Divergence(one.FailureShare, all)) + (other.Volume * Divergence(other.FailureShare, all));
    }

    // Kullback and Leibler's, of two coins.
    private static double Divergence(double p, double q) => Part(p, q) + Part(1 - p, 1 - q);

    private static double Part(double p, double q) => p == 0 ? 0 : p * Math.Log(p / q);

    private static string Percent(double share) => string.Create(CultureInfo.InvariantCulture, $"{share * 100:0.#} %");

    /// <summary>What all members together come to.</summary>
    private sealed class Rates
    {
        public Rates(ReadOnlySpan<Window> members, OutlierOptions options)
        {
            var (sum, squares) = (0.0, 0.0);
            foreach (var member in members)
            {
                if (member.Volume >= options.MinVolume)
                {
                    Compared++;
                    Volume += member.Volume;
                    Failures += member.Failures;
                }

                if (member.Volume >= options.SuccessRateMinVolume)
                {
                    Rated++;
                    RatedVolume += member.Volume;
                    RatedFailures += member.Failures;
                    sum += 1 - member.FailureShare;
                    squares += (1 - member.FailureShare) * (1 - member.FailureShare);
                }
            }

            Mean = Rated == 0 ? 0 : sum / Rated;
            Deviation = Rated == 0 ? 0 : Math.Sqrt(Math.Max(0, (squares / Rated) - (Mean * Mean)));
        }

        public int Compared { get; }

        public long Volume { get; }

        public long Failures { get; }

        public int Rated { get; }

        public long RatedVolume { get; }

        public long RatedFailures { get; }

        public double Mean { get; }

        public double Deviation { get; }
    }
}

/// <summary>One who is not like the others.</summary>
/// <param name="Index">Which member.</param>
/// <param name="Kind">In what.</param>
/// <param name="Weight">How much it matters, against other outliers.</param>
/// <param name="Reason">Said to people.</param>
internal readonly record struct Outlier(int Index, OutlierKind Kind, double Weight, string Reason);
