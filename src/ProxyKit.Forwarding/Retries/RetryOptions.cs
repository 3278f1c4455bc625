namespace ProxyKit.Forwarding;

/// <summary>When a failed attempt is made again at another member. On by default; <see cref="MaxAttempts"/> 1 switches it off.</summary>
/// <remarks>Only what cannot be applied twice is repeated: idempotent methods (RFC 9110 §9.2.2), requests with an <c>Idempotency-Key</c>, and those of which nothing was sent.</remarks>
public sealed record RetryOptions : IValidatable, ICopyable<RetryOptions>
{
    /// <summary>Attempts in all, the first included; 1 means no retry. The default is 3.</summary>
    public int MaxAttempts { get; set; } = 3;

    /// <summary>Answers that count as failures and are asked of another member. Each must be 429 or a 5xx. The default is 502, 503 and 504.</summary>
    public IList<int> Statuses { get; set; } = [];

    /// <summary>How much of a request's body is kept to be sent again, in bytes; a body that is larger is sent once. The default is 64 KiB.</summary>
    public int MaxReplayBytes { get; set; } = 64 * 1024;

    /// <summary>Retries and hedges over the last 10 s as a share of requests. The default is 0.2.</summary>
    public double BudgetShare { get; set; } = 0.2;

    /// <summary>Retries and hedges that are always allowed, for each second. The default is 10.</summary>
    public double BudgetPerSecond { get; set; } = 10;

    /// <summary>The wait before the third attempt, doubled with each further one and drawn between zero and it. The first retry waits for nothing. The default is 25 ms.</summary>
    public TimeSpan BackoffBase { get; set; } = TimeSpan.FromMilliseconds(25);

    /// <summary>The longest wait between attempts. The default is 250 ms.</summary>
    public TimeSpan BackoffCap { get; set; } = TimeSpan.FromMilliseconds(250);

    /// <summary>The longest time for which a member that answers 503 with <c>Retry-After</c> is passed over; 0 takes no notice of the field. The default is 30 s.</summary>
    public TimeSpan MaxRetryAfter { get; set; } = TimeSpan.FromSeconds(30);

    /// <inheritdoc/>
    public RetryOptions Copy() => this with { Statuses = [.. Statuses] };

    /// <inheritdoc/>
    public IEnumerable<string> Faults()
    {
        if (MaxAttempts is < 1 or > 16)
        {
            yield return $"{nameof(MaxAttempts)} is {MaxAttempts}; it must be 1 (no retry) to 16.";
        }

        foreach (var status in Statuses.Where(status => status is not 429 and (< 500 or > 599)))
        {
            yield return $"{nameof(Statuses)} holds {status}; only 429 and 5xx may be retried.";
        }

        if (MaxReplayBytes is < 0 or > 64 * 1024 * 1024)
        {
            yield return $"{nameof(MaxReplayBytes)} is {MaxReplayBytes}; it must be 0 (keep nothing) to 64 MiB.";
        }

        if (!(BudgetShare >= 0 && BudgetShare <= 10))
        {
            yield return $"{nameof(BudgetShare)} is {BudgetShare}; it must be 0 to 10.";
        }

        if (!(BudgetPerSecond >= 0 && BudgetPerSecond <= 1_000_000))
        {
            yield return $"{nameof(BudgetPerSecond)} is {BudgetPerSecond}; it must be 0 to a million.";
        }

        if (BackoffBase < TimeSpan.Zero || BackoffCap < BackoffBase || BackoffCap > TimeSpan.FromMinutes(1))
        {
            yield return $"{nameof(BackoffBase)} is {BackoffBase} and {nameof(BackoffCap)} is {BackoffCap}; the first must be 0 or more, the second no less and at most a minute.";
        }

        if (MaxRetryAfter < TimeSpan.Zero || MaxRetryAfter > TimeSpan.FromHours(1))
        {
            yield return $"{nameof(MaxRetryAfter)} is {MaxRetryAfter}; it must be 0 (take no notice) to an hour.";
        }
    }
}
