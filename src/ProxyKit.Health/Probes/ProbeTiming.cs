namespace ProxyKit.Health;

/// <summary>When a destination is probed next. Times count from the start of probing.</summary>
internal static class ProbeTiming
{
    private static readonly TimeSpan LongestTick = TimeSpan.FromMilliseconds(50);

    /// <summary>
    /// The next time on the destination's own grid: as far into each interval as <paramref name="phase"/> says, so that many spread over it, and
    /// the same whenever it is asked.
    /// </summary>
    /// <param name="started">When the last probe began.</param>
    /// <param name="ended">When it ended.</param>
    /// <param name="interval">From one time on the grid to the next.</param>
    /// <param name="phase">Where in the interval its times are, 0 to less than 1.</param>
    /// <param name="jitter">See <see cref="ProbeOptions.Jitter"/>.</param>
    /// <param name="chance">A number of chance, 0 to less than 1.</param>
    public static TimeSpan Next(TimeSpan started, TimeSpan ended, TimeSpan interval, double phase, double jitter, double chance)
    {
        // Half an interval after the last at the least: on the grid that is the next time of all, off it no second probe right after the first.
        var earliest = started + (interval / 2);
        earliest = earliest > ended ? earliest : ended;
        var slot = Math.Ceiling((earliest / interval) - phase) + phase;
        var next = (slot * interval) + Deviation(interval, jitter, chance);
        return next > ended ? next : ended;
    }

    /// <summary>Soon, while a verdict is about to change: an interval after the last began, wherever that is.</summary>
    public static TimeSpan Soon(TimeSpan started, TimeSpan ended, TimeSpan interval, double jitter, double chance)
    {
        var next = started + interval + Deviation(interval, jitter, chance);
        return next > ended ? next : ended;
    }

    /// <summary>
    /// When those that are due at some time are looked after: together with all others of the same tick, a twentieth of the shortest interval and 50 ms at
    /// the most. Waking threads costs more than the probes for which they wake.
    /// </summary>
    public static TimeSpan Tick(TimeSpan due, ProbeOptions options)
    {
        var least = options.Faster < options.DownInterval ? options.Faster : options.DownInterval;
        var tick = Math.Clamp(least.Ticks / 20, TimeSpan.TicksPerMillisecond, LongestTick.Ticks);
        return new((due.Ticks + tick - 1) / tick * tick);
    }

    // Two that follow each other may deviate either way, so that each has half.
    private static TimeSpan Deviation(TimeSpan interval, double jitter, double chance) => (chance - 0.5) * jitter * interval;
}
