using System.Net;

using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace ProxyKit.Balancing;

/// <summary>Sends each request to a member of a pool, and again to another where that is safe.</summary>
/// <remarks>
/// <para>
/// A request is sent again when it never left (<see cref="OutcomeKind.NotConnected"/>), whatever its method; otherwise only when its method is
/// idempotent (RFC 9110 §9.2.2) and its content can be read twice, which that of a stream cannot. No member is asked twice while another is left.
/// </para>
/// <para>
/// The member counts as busy until the answer's body was read to its end or disposed, so dispose what you do not read. Redirects are followed, if at all,
/// by the handler behind this one, past the pool.
/// </para>
/// </remarks>
public sealed class PoolHandler : DelegatingHandler
{
    private readonly Func<Pool> _pool;
    private readonly PoolClientOptions _options;
    private readonly Func<Pool, CancellationToken, Task>? _whenReady;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private int _chainSeen;

    /// <summary>A handler for a pool that stands alone.</summary>
    /// <param name="pool">The pool.</param>
    /// <param name="options">How it is used; the defaults where null.</param>
    /// <exception cref="ArgumentException">The options have faults; the message lists every one.</exception>
    public PoolHandler(Pool pool, PoolClientOptions? options = null)
        : this(() => pool, (options ?? new PoolClientOptions()).Valid(), null, TimeProvider.System, null) => ArgumentNullException.ThrowIfNull(pool);

    internal PoolHandler(Func<Pool> pool, PoolClientOptions options, Func<Pool, CancellationToken, Task>? whenReady, TimeProvider time, ILogger<PoolHandler>? logger) =>
        (_pool, _options, _whenReady, _time, _logger) = (pool, options, whenReady, time, logger ?? NullLogger<PoolHandler>.Instance);

    /// <inheritdoc/>
    protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken) =>
        SendAsync(request, (attempt, token) => base.SendAsync(attempt, token), cancellationToken);

    /// <inheritdoc/>
    protected override HttpResponseMessage Send(HttpRequestMessage request, CancellationToken cancellationToken) =>
        SendAsync(request, (attempt, token) => Task.FromResult(base.Send(attempt, token)), cancellationToken).GetAwaiter().GetResult();

    private async Task<HttpResponseMessage> SendAsync(
        HttpRequestMessage request, Func<HttpRequestMessage, CancellationToken, Task<HttpResponseMessage>> send, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(request);
        var pool = _pool();
        WarnOfResilience(pool);
        await ReadyAsync(pool, cancellationToken);
        var (key, repeatable) = (_options.Key?.Invoke(request), Repeat.IsSafe(request));
        var tried = new Member[_options.MaxAttempts];
        Exception? last = null;
        for (var attempt = 0; ; attempt++)
        {
            var lease = await PickAsync(pool, key, tried.AsMemory(0, attempt), last, cancellationToken);
            tried[attempt] = lease.Member;
            var mayAsk = attempt + 1 < _options.MaxAttempts;
            HttpResponseMessage response;
            try
            {
                response = await send(Attempt.Of(request, lease.Member.Destination, _options.UseDestinationHost), cancellationToken);
            }
            catch (Exception fault)
            {
                var kind = Repeat.Judge(fault, cancellationToken);
                lease.Report(kind);
                lease.Dispose();
                if (!mayAsk || !(kind == OutcomeKind.NotConnected || (kind != OutcomeKind.Abandoned && repeatable)))
                {
                    throw;
                }

                last = fault;
                continue;
            }

            lease.Report(OutcomeKind.Answered, (int)response.StatusCode, RetryAfter(response));
            if (mayAsk && repeatable && _options.RetriedStatuses.Contains(response.StatusCode) && HasOther(pool, tried.AsSpan(0, attempt + 1)))
            {
                response.Dispose();
                lease.Dispose();
                continue;
            }

            return BodyLease.Hold(lease, response);
        }
    }

    private static async ValueTask<Lease> PickAsync(Pool pool, ulong? key, ReadOnlyMemory<Member> tried, Exception? last, CancellationToken cancellationToken)
    {
        var (status, lease) = await pool.PickAsync(key, tried: tried, cancellationToken: cancellationToken);
        if (status == PickStatus.NoneLeft && tried.Length > 0)
        {
            // All were tried; the first of them may have come round.
            (status, lease) = await pool.PickAsync(key, cancellationToken: cancellationToken);
        }

        return status switch
        {
            PickStatus.Picked => lease,
            PickStatus.Full => throw new HttpRequestException($"Every member of pool '{pool.Name}' holds as many requests as it may, and waiting took too long or too many wait.", last),
            PickStatus.CircuitOpen => throw new HttpRequestException($"The circuit breaker of pool '{pool.Name}' is open: too many requests have failed of late.", last),
            _ => throw new HttpRequestException(HttpRequestError.ConnectionError, $"Pool '{pool.Name}' has no member that may serve.", last),
        };
    }

    private async ValueTask ReadyAsync(Pool pool, CancellationToken cancellationToken)
    {
        if (_whenReady is null || pool.Snapshot.Members.Length > 0)
        {
            return;
        }

        try
        {
            await _whenReady(pool, cancellationToken).WaitAsync(_options.ReadyTimeout, _time, cancellationToken);
        }
        catch (TimeoutException)
        {
            // The pick says what is missing.
        }
    }

    private void WarnOfResilience(Pool pool)
    {
        if (Interlocked.Exchange(ref _chainSeen, 1) != 0)
        {
            return;
        }

        for (var handler = InnerHandler; handler is DelegatingHandler link; handler = link.InnerHandler)
        {
            if (link.GetType().Name == "ResilienceHandler")
            {
                Log.ResilienceBehindPool(_logger, pool.Name);
                return;
            }
        }
    }

    // Whether a member is left that would be picked: an answer in hand is only given up for another.
    private static bool HasOther(Pool pool, ReadOnlySpan<Member> tried)
    {
        var request = new PickRequest(0, 0, tried: tried);
        foreach (var member in pool.Snapshot.Available)
        {
            if (request.Allows(member))
            {
                return true;
            }
        }

        return false;
    }

    private TimeSpan? RetryAfter(HttpResponseMessage response) => response.StatusCode is HttpStatusCode.ServiceUnavailable or HttpStatusCode.TooManyRequests
        ? response.Headers.RetryAfter switch
        {
            { Delta: { } delta } => delta,
            { Date: { } date } when date - _time.GetUtcNow() is var left && left > TimeSpan.Zero => left,
            _ => null,
        }
        : null;
}
