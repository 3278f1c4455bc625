using System.Collections.Immutable;

namespace ProxyKit;

/// <summary>The host's pools for who operates it: how each destination stands and why, and the switches. For endpoints, pages and tools.</summary>
public interface IPoolControl
{
    /// <summary>Every pool as it stands now, by name.</summary>
    IReadOnlyList<PoolStatus> Pools { get; }

    /// <summary>A pool as it stands now.</summary>
    /// <exception cref="KeyNotFoundException">There is none of that name; the message says which there are.</exception>
    PoolStatus Find(string pool);

    /// <summary>Puts a destination into a state; false where it is in it already. <see cref="MemberState.Off"/> ends what runs on it; drain it first to spare that.</summary>
    /// <param name="pool">The pool's name.</param>
    /// <param name="destination">The destination's name.</param>
    /// <param name="state">The state.</param>
    /// <param name="reason">Why, for whoever reads the state.</param>
    /// <exception cref="KeyNotFoundException">There is no such pool or destination; the message says which there are.</exception>
    bool SetState(string pool, string destination, MemberState state, string? reason = null);

    /// <summary>Drains a destination, see <see cref="Pool.DrainAsync"/>.</summary>
    /// <param name="pool">The pool's name.</param>
    /// <param name="destination">The destination's name.</param>
    /// <param name="deadline">How long that may take; the pool's <see cref="DrainOptions.Timeout"/> where null.</param>
    /// <param name="reason">Why, for whoever reads the state.</param>
    /// <param name="cancellationToken">Ends the wait, not the drain.</param>
    /// <returns>How many requests were still in flight at the end; 0 is a clean drain.</returns>
    /// <exception cref="KeyNotFoundException">There is no such pool or destination; the message says which there are.</exception>
    Task<int> DrainAsync(string pool, string destination, TimeSpan? deadline = null, string? reason = null, CancellationToken cancellationToken = default);
}

/// <summary>A pool at one moment.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Policy">How it balances.</param>
/// <param name="IsReady">Whether it can take traffic: its destinations are known, and judged where somebody judges them.</param>
/// <param name="IsInPanic">Whether too few are healthy, so that <see cref="PanicOptions"/> decide.</param>
/// <param name="Admission">The share of new requests that it takes; less than 1 while a circuit breaker holds some back.</param>
/// <param name="Waiting">Requests that wait for a seat.</param>
/// <param name="Destinations">Its destinations.</param>
public sealed record PoolStatus(string Name, string Policy, bool IsReady, bool IsInPanic, double Admission, int Waiting, ImmutableArray<DestinationStatus> Destinations);

/// <summary>A destination at one moment.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Address">Where it is.</param>
/// <param name="Standing">How it stands, in one word.</param>
/// <param name="State">The state it was put into.</param>
/// <param name="Reason">Why it stands so: what was said with its state, or the worst belief's reason; null where nobody said.</param>
/// <param name="Since">Since when it stands so.</param>
/// <param name="Beliefs">What is thought of it, by each source that has doubts.</param>
/// <param name="Weight">The weight that counts now.</param>
/// <param name="InFlight">Requests that it holds.</param>
/// <param name="Load">How busy it is, failures included.</param>
/// <param name="Latency">How long its answers take, where that is measured.</param>
public sealed record DestinationStatus(
    string Name,
    Uri Address,
    MemberStanding Standing,
    MemberState State,
    string? Reason,
    DateTimeOffset Since,
    ImmutableArray<Belief> Beliefs,
    double Weight,
    int InFlight,
    double Load,
    TimeSpan? Latency);
