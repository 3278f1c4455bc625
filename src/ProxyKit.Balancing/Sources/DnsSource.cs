using System.Net;
using System.Net.Sockets;

using DnsClient;
using DnsClient.Protocol;

using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace ProxyKit.Balancing;

/// <summary>Destinations from the A and AAAA records of a name, looked up again when their TTL is over or a member cannot be reached.</summary>
/// <remarks>
/// A failed or empty answer changes nothing: the last good one holds until there is another. Sources of equal options and clock are equal, so
/// that a reload that changes nothing leaves the lookups alone.
/// </remarks>
public sealed class DnsSource : IDestinationSource, IEquatable<DnsSource>
{
    private readonly DnsOptions _options;
    private readonly TimeProvider _time;
    private readonly DnsWatch _watch;

    /// <summary>Creates a source.</summary>
    /// <param name="options">What to look up, and how often.</param>
    /// <param name="time">Its clock; the system's where null.</param>
    /// <param name="logger">Told when lookups begin to fail and when they work again.</param>
    /// <exception cref="ArgumentException">The options have faults; the message lists every one.</exception>
    public DnsSource(DnsOptions options, TimeProvider? time = null, ILogger<DnsSource>? logger = null)
    {
        ArgumentNullException.ThrowIfNull(options);
        (_options, _time) = (options.Valid() with { }, time ?? TimeProvider.System);
        _watch = new DnsWatch(_options, _time, logger ?? NullLogger<DnsSource>.Instance);
    }

    /// <inheritdoc/>
    public IAsyncEnumerable<IReadOnlyList<Destination>> WatchAsync(CancellationToken cancellationToken) => _watch.WatchAsync(LookUpAsync, cancellationToken);

    /// <inheritdoc/>
    public void Refresh() => _watch.Refresh();

    /// <inheritdoc/>
    public bool Equals(DnsSource? other) => other is not null && _options == other._options && _time == other._time;

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as DnsSource);

    /// <inheritdoc/>
    public override int GetHashCode() => _options.GetHashCode();

    private async Task<DnsAnswer> LookUpAsync(IDnsQuery client, CancellationToken cancellationToken)
    {
        // One family that fails while the other answers would halve the pool, so both must be told, if only that there is nothing.
        var answers = await Task.WhenAll(
            client.QueryAsync(_options.Host, QueryType.A, cancellationToken: cancellationToken),
            client.QueryAsync(_options.Host, QueryType.AAAA, cancellationToken: cancellationToken));
        if (Array.Find(answers, answer => answer.HasError) is { } failed)
        {
            return DnsAnswer.Failed(failed.ErrorMessage + ".");
        }

        var records = answers.SelectMany(answer => answer.Answers.OfType<AddressRecord>()).ToList();
        if (records.Count == 0)
        {
            return DnsAnswer.Failed("The name has no addresses.");
        }

        // Sorted, because servers rotate their answers and that is no change.
        var destinations = records.Select(record => record.Address).Distinct()
            .OrderBy(address => address.AddressFamily).ThenBy(address => address, Comparer<IPAddress>.Create((a, b) => a.GetAddressBytes().AsSpan().SequenceCompareTo(b.GetAddressBytes())))
            .Select(At).ToList();
        return DnsAnswer.Found(destinations, TimeSpan.FromSeconds(records.Min(record => record.InitialTimeToLive)));
    }

    private Destination At(IPAddress address)
    {
        var host = address.AddressFamily == AddressFamily.InterNetworkV6 ? $"[{address}]" : address.ToString();
        var uri = new UriBuilder(_options.Scheme, host, _options.Port == 0 ? -1 : _options.Port).Uri;
        return new Destination(uri.Authority, uri) { Host = _options.Scheme.Equals("https", StringComparison.OrdinalIgnoreCase) ? _options.Host.TrimEnd('.') : null };
    }
}
