using System.Globalization;

namespace ProxyKit.Health;

/// <summary>Decides when a circuit opens and how much it lets through while it recovers.</summary>
internal static class CircuitRules
{
    /// <summary>Into how many parts the window is cut, oldest out first.</summary>
    public const int Parts = 10;

    /// <summary>In how many steps all is let through again.</summary>
    public const int Steps = 20;

    /// <summary>Why so many failures are too many, for people; null where they are not.</summary>
    /// <param name="options">What is too many.</param>
    /// <param name="recovers">Whether it recovers: it lets less through then, and less is enough to see that nothing is well.</param>
    /// <param name="volume">Requests that ended.</param>
    /// <param name="failures">Those of them that failed.</param>
    /// <param name="inRow">Those that failed since the last that did not.</param>
    public static string? WhyOpen(CircuitBreakerOptions options, bool recovers, long volume, long failures, int inRow)
    {
        var least = recovers ? Math.Max(1, options.MinVolume / 10) : options.MinVolume;
        return volume >= least && failures >= options.FailureShare * volume
            ? string.Create(CultureInfo.InvariantCulture, $"{failures * 100.0 / volume:0.#} % of {volume} requests failed")
            : options.ConsecutiveFailures > 0 && inRow >= options.ConsecutiveFailures ? $"{inRow} requests in a row failed" : null;
    }

    /// <summary>The share of requests that is let through so long after it began to recover; 1 is all, and the end of it.</summary>
    public static double Admission(CircuitBreakerOptions options, TimeSpan age) =>
        Math.Clamp(Math.Floor(age / options.RecoverTime * Steps), 1, Steps) / Steps;
}
