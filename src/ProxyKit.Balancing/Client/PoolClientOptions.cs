using System.Net;

namespace ProxyKit.Balancing;

/// <summary>How an <see cref="HttpClient"/> uses a pool.</summary>
public sealed record PoolClientOptions : IValidatable
{
    /// <summary>How often a request may be sent in all, the first time included; 1 never tries again. The default is 3.</summary>
    public int MaxAttempts { get; set; } = 3;

    /// <summary>
    /// Answers that count as none while another member is left to ask, for requests that may be sent twice. The default is 502, 503 and 504;
    /// empty takes every answer as it comes.
    /// </summary>
    public IReadOnlySet<HttpStatusCode> RetriedStatuses { get; set; } =
        new HashSet<HttpStatusCode> { HttpStatusCode.BadGateway, HttpStatusCode.ServiceUnavailable, HttpStatusCode.GatewayTimeout };

    /// <summary>
    /// Whether <c>Host</c> and the TLS server name say the member's address in place of the name that the client asked for. A member's own
    /// <see cref="Destination.Host"/> wins over both. The default is false.
    /// </summary>
    public bool UseDestinationHost { get; set; }

    /// <summary>How long a request waits for the first destinations of a pool that has none yet. The default is 5 s.</summary>
    public TimeSpan ReadyTimeout { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>What belongs together, for policies that hash (<see cref="PickRequest.Key"/>); null, the default, or a null from it is no key.</summary>
    public Func<HttpRequestMessage, ulong?>? Key { get; set; }

    /// <inheritdoc/>
    public IEnumerable<string> Faults()
    {
        if (MaxAttempts is < 1 or > 100)
        {
            yield return $"{nameof(MaxAttempts)} is {MaxAttempts}; it must be 1 (never again) to 100.";
        }

        if (RetriedStatuses is null)
        {
            yield return $"{nameof(RetriedStatuses)} is null; it must be a set, which may be empty.";
        }

        if (ReadyTimeout < TimeSpan.Zero || ReadyTimeout > TimeSpan.FromHours(1))
        {
            yield return $"{nameof(ReadyTimeout)} is {ReadyTimeout}; it must be 0 to an hour.";
        }
    }
}
