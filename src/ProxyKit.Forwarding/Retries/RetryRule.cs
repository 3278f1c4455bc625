using System.Collections.Frozen;

namespace ProxyKit.Forwarding;

/// <summary>What is known of a request when an attempt at it has ended.</summary>
/// <param name="Number">1 for the first.</param>
/// <param name="IsRepeatable">Whether it may be applied twice: an idempotent method, or a key by which the destination knows it again.</param>
/// <param name="CanReplay">Whether the body can be sent again: none, nothing of it taken yet, or all that was taken is kept.</param>
/// <param name="Kind">How it ended.</param>
/// <param name="Status">The answer's status, where there was one.</param>
internal readonly record struct EndedAttempt(int Number, bool IsRepeatable, bool CanReplay, OutcomeKind Kind, int? Status = null);

/// <summary>Decides on retries: <see cref="RetryOptions"/>, made ready.</summary>
internal sealed class RetryRule(RetryOptions options)
{
    private static readonly int[] DefaultStatuses = [502, 503, 504];

    private readonly FrozenSet<int> _statuses = (options.Statuses.Count == 0 ? DefaultStatuses : options.Statuses).ToFrozenSet();

    public RetryOptions Options { get; } = options;

    /// <summary>Whether to try again elsewhere. The budget is asked after this, so that only real retries draw on it.</summary>
    public bool Allows(in EndedAttempt attempt) =>
        attempt.Number < Options.MaxAttempts && attempt.CanReplay && attempt.Kind switch
        {
            OutcomeKind.NotConnected => true,
            OutcomeKind.TimedOut or OutcomeKind.Broken => attempt.IsRepeatable,
            OutcomeKind.Answered => attempt.IsRepeatable && IsFailure(attempt.Status ?? 0),
            _ => false,
        };

    /// <summary>Whether an answer of that status is asked of another member.</summary>
    public bool IsFailure(int status) => status >= 429 && _statuses.Contains(status);

    /// <summary>How long to wait before attempt <paramref name="number"/>: nothing before the second, then full jitter under a doubling bound.</summary>
    public TimeSpan Backoff(int number, double chance)
    {
        if (number <= 2)
        {
            return TimeSpan.Zero;
        }

        var bound = Options.BackoffBase * Math.Pow(2, number - 3);
        return (bound < Options.BackoffCap ? bound : Options.BackoffCap) * chance;
    }

    /// <summary>Whether the method may be applied twice with the same effect.</summary>
    /// <remarks>RFC 9110 §9.2.2; TRACE has no place behind a gateway and CONNECT is no request for a resource.</remarks>
    public static bool IsIdempotent(string method) => method is "GET" or "HEAD" or "PUT" or "DELETE" or "OPTIONS";
}
