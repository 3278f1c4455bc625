using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace ProxyKit.Health;

/// <summary>Stops sending to a pool for a while when too many requests fail (<see cref="CircuitBreakerOptions"/>), then lets more and more through.</summary>
/// <remarks>
/// Open, the pool refuses new requests with <see cref="PickStatus.CircuitOpen"/>; a retry of one that was let in goes on. One object serves any number of
/// pools; those without options it lets be. While it is closed, a request that ends well costs no lock, no lookup and no allocation.
/// </remarks>
public sealed class CircuitBreaker : IOutcomeObserver
{
    private readonly ILogger _logger;
    private readonly HealthMetrics? _metrics;

    /// <summary>One that measures nothing, for pools without a host.</summary>
    /// <param name="logger">Where it says how it stands; nowhere where null.</param>
    public CircuitBreaker(ILogger<CircuitBreaker>? logger = null) => _logger = logger ?? NullLogger<CircuitBreaker>.Instance;

    internal CircuitBreaker(ILogger<CircuitBreaker> logger, HealthMetrics metrics) => (_logger, _metrics) = (logger, metrics);

    /// <inheritdoc/>
    public void OnOutcome(Pool pool, Member member, in Outcome outcome)
    {
        var circuit = pool.Notes.Of<Circuit>();
        if (circuit.IsStale(pool))
        {
            (circuit.Metrics, circuit.Logger) = (_metrics, _logger);
            circuit.TakeUp(pool);
        }

        if (circuit.Options is not null && Signals.Of(outcome) is not Signal.None and var signal)
        {
            circuit.Count(outcome, signal);
        }
    }
}

internal static partial class Log
{
    [LoggerMessage(1, LogLevel.Warning, "The circuit breaker of pool {Pool} has opened for {Time}: {Reason}.", EventName = "CircuitOpened")]
    public static partial void CircuitOpened(ILogger logger, string pool, TimeSpan time, string reason);

    [LoggerMessage(2, LogLevel.Information, "The circuit breaker of pool {Pool} lets requests through again, all of them after {Time} if they end well.", EventName = "CircuitRecovering")]
    public static partial void CircuitRecovering(ILogger logger, string pool, TimeSpan time);

    [LoggerMessage(3, LogLevel.Information, "The circuit breaker of pool {Pool} has closed.", EventName = "CircuitClosed")]
    public static partial void CircuitClosed(ILogger logger, string pool);
}
