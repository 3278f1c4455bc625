namespace ProxyKit.Health;

/// <summary>When a destination is taken out for how its requests end, and for how long.</summary>
/// <remarks>
/// What speaks against a destination: no connection, no answer in time, a connection or body that breaks, and statuses of 500 and more. What does not:
/// 4xx, 429 among them; a 503 with <c>Retry-After</c>, on which the pool leaves it alone for as long as it asked; and clients that leave.
/// </remarks>
public sealed record OutlierOptions : IValidatable, ICopyable<OutlierOptions>
{
    /// <summary>Connections in a row that failed; 0 counts none. The default is 3.</summary>
    public int ConsecutiveConnectFailures { get; set; } = 3;

    /// <summary>
    /// Gateway errors in a row: 502, 503, 504, no answer in time, a connection or body that broke; 0 counts none. An answer below 500 ends the row. The default is 5.
    /// </summary>
    public int ConsecutiveGatewayErrors { get; set; } = 5;

    /// <summary>Answers of 500 or more in a row, 502 to 504 among them; 0 counts none. An answer below 500 ends the row. The default is 5.</summary>
    public int ConsecutiveServerErrors { get; set; } = 5;

    /// <summary>How often the destinations are compared, over what ended since the last time. The default is 10 s.</summary>
    public TimeSpan Interval { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>Requests that a destination must have ended in an interval to be compared. The default is 50.</summary>
    public int MinVolume { get; set; } = 50;

    /// <summary>How many destinations of that volume it takes to compare them. The default is 2.</summary>
    public int MinMembers { get; set; } = 2;

    /// <summary>The share of failures in an interval from which a destination is out, whatever the others do; 0 is off. The default is 0.85.</summary>
    public double FailureShare { get; set; } = 0.85;

    /// <summary>
    /// How far the share of failures may lie above that of all others together, where it is more than chance; 0 is off. The default is 0.2: of three, one
    /// that fails 40 % while the others do not is out.
    /// </summary>
    public double FailureExcess { get; set; } = 0.2;

    /// <summary>
    /// How many standard deviations a success rate may lie below the mean of all, where that is more than chance and at least 5 in 100; 0 is off. The default is 1.9.
    /// </summary>
    public double SuccessRateDeviations { get; set; } = 1.9;

    /// <summary>Requests that a destination must have ended in an interval for its success rate to count. The default is 100.</summary>
    public int SuccessRateMinVolume { get; set; } = 100;

    /// <summary>How many destinations of that volume it takes for a standard deviation to mean anything. The default is 5.</summary>
    public int SuccessRateMinMembers { get; set; } = 5;

    /// <summary>How many times the median latency of the others a destination's own may be; 0 is off, which is the default.</summary>
    public double LatencyFactor { get; set; }

    /// <summary>The median latency below which nobody is too slow, whatever the others do. The default is 100 ms.</summary>
    public TimeSpan LatencyFloor { get; set; } = TimeSpan.FromMilliseconds(100);

    /// <summary>The share of the active destinations that may be out at once, above 0 and at most 1; always at least one, and never all. The default is 0.5.</summary>
    public double MaxEjectedShare { get; set; } = 0.5;

    /// <summary>
    /// How long a destination is out for the first time; each further time doubles it, and each interval without fault takes one time back. The default is
    /// 5 s: what comes then is one request on trial.
    /// </summary>
    public TimeSpan BaseEjection { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>The longest that it is out. The default is 5 minutes.</summary>
    public TimeSpan MaxEjection { get; set; } = TimeSpan.FromMinutes(5);

    /// <summary>How much is added to that time by chance at the most, as a share of it, so that not all come back at once; 0 to 1. The default is 0.5.</summary>
    public double Jitter { get; set; } = 0.5;

    /// <summary>Whether a probe that succeeds brings it back before its time. By default it does not: a server may pass its health check and fail its users.</summary>
    public bool ProbeUnejects { get; set; }

    /// <inheritdoc/>
    public OutlierOptions Copy() => this with { };

    /// <inheritdoc/>
    public IEnumerable<string> Faults()
    {
        (string Name, int Value, int Least)[] counts =
        [
            (nameof(ConsecutiveConnectFailures), ConsecutiveConnectFailures, 0),
            (nameof(ConsecutiveGatewayErrors), ConsecutiveGatewayErrors, 0),
            (nameof(ConsecutiveServerErrors), ConsecutiveServerErrors, 0),
            (nameof(MinVolume), MinVolume, 1),
            (nameof(MinMembers), MinMembers, 2),
            (nameof(SuccessRateMinVolume), SuccessRateMinVolume, 1),
            (nameof(SuccessRateMinMembers), SuccessRateMinMembers, 3),
        ];
        foreach (var (name, value, least) in counts)
        {
            if (value < least)
            {
                yield return $"{name} is {value}; it must be {least}{(least == 0 ? " (off)" : "")} or more.";
            }
        }

        (string Name, double Value, double Most, bool IsOff)[] shares =
        [
            (nameof(FailureShare), FailureShare, 1, true),
            (nameof(FailureExcess), FailureExcess, 1, true),
            (nameof(SuccessRateDeviations), SuccessRateDeviations, 100, true),
            (nameof(MaxEjectedShare), MaxEjectedShare, 1, false),
            (nameof(Jitter), Jitter, 1, true),
        ];
        foreach (var (name, value, most, isOff) in shares)
        {
            if (!((value > 0 || (isOff && value == 0)) && value <= most))
            {
                yield return $"{name} is {value}; it must be {(isOff ? "0 (off)" : "more than 0,")} {(isOff ? "to" : "and at most")} {most}.";
            }
        }

        if (!(LatencyFactor == 0 || (LatencyFactor > 1 && LatencyFactor <= 1000)))
        {
            yield return $"{nameof(LatencyFactor)} is {LatencyFactor}; it must be 0 (off), or more than 1 and at most 1000.";
        }

        if (LatencyFloor < TimeSpan.Zero || LatencyFloor > TimeSpan.FromHours(1))
        {
            yield return $"{nameof(LatencyFloor)} is {LatencyFloor}; it must be 0 to an hour.";
        }

        if (Interval < TimeSpan.FromMilliseconds(100) || Interval > TimeSpan.FromHours(1))
        {
            yield return $"{nameof(Interval)} is {Interval}; it must be 100 ms to an hour.";
        }

        if (BaseEjection < TimeSpan.FromMilliseconds(10) || BaseEjection > TimeSpan.FromHours(24))
        {
            yield return $"{nameof(BaseEjection)} is {BaseEjection}; it must be 10 ms to a day.";
        }

        if (MaxEjection < BaseEjection || MaxEjection > TimeSpan.FromHours(24))
        {
            yield return $"{nameof(MaxEjection)} is {MaxEjection}; it must be at least {nameof(BaseEjection)}, {BaseEjection}, and at most a day.";
        }
    }
}
