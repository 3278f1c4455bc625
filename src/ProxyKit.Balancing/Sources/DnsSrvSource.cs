using DnsClient;
using DnsClient.Protocol;

using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace ProxyKit.Balancing;

/// <summary>Destinations from the SRV records of a service: target and port, weight, and priority, which <see cref="PriorityTiers"/> reads.</summary>
/// <remarks>
/// RFC 2782. The lowest priority there is becomes tier 0, the next tier 1. Weights keep their ratios, scaled down where one exceeds
/// <see cref="Destination.MaxWeight"/>; a weight of 0 means little traffic there, and becomes the smallest share that can be said. Targets stay names, which the
/// connection resolves. Failures are met as by <see cref="DnsSource"/>.
/// </remarks>
public sealed class DnsSrvSource : IDestinationSource, IEquatable<DnsSrvSource>
{
    private readonly DnsOptions _options;
    private readonly TimeProvider _time;
    private readonly DnsWatch _watch;

    /// <summary>Creates a source.</summary>
    /// <param name="options">What to look up, and how often.</param>
    /// <param name="time">Its clock; the system's where null.</param>
    /// <param name="logger">Told when lookups begin to fail and when they work again.</param>
    /// <exception cref="ArgumentException">The options have faults; the message lists every one.</exception>
    public DnsSrvSource(DnsOptions options, TimeProvider? time = null, ILogger<DnsSrvSource>? logger = null)
    {
        ArgumentNullException.ThrowIfNull(options);
        if (options.Port != 0)
        {
            throw new ArgumentException($"{nameof(DnsOptions)}: {nameof(DnsOptions.Port)} is {options.Port}; SRV records bring their own ports, so leave it 0.", nameof(options));
        }

        (_options, _time) = (options.Valid() with { }, time ?? TimeProvider.System);
        _watch = new DnsWatch(_options, _time, logger ?? NullLogger<DnsSrvSource>.Instance);
    }

    /// <inheritdoc/>
    public IAsyncEnumerable<IReadOnlyList<Destination>> WatchAsync(CancellationToken cancellationToken) => _watch.WatchAsync(LookUpAsync, cancellationToken);

    /// <inheritdoc/>
    public void Refresh() => _watch.Refresh();

    /// <inheritdoc/>
    public bool Equals(DnsSrvSource? other) => other is not null && _options == other._options && _time == other._time;

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as DnsSrvSource);

    /// <inheritdoc/>
    public override int GetHashCode() => _options.GetHashCode();

    /// <summary>The destinations that records describe, in an order that does not depend on theirs.</summary>
    internal static IReadOnlyList<Destination> Destinations(IReadOnlyCollection<(string Target, int Port, int Priority, int Weight)> records, string scheme)
    {
        var tiers = records.Select(record => record.Priority).Distinct().Order().ToList();
        return
        [
            .. records.GroupBy(record => record.Priority).OrderBy(tier => tier.Key).SelectMany(tier =>
            {
                var heaviest = tier.Max(record => record.Weight);
                var scale = heaviest > Destination.MaxWeight || (heaviest > 0 && tier.Any(record => record.Weight == 0)) ? (double)Destination.MaxWeight / heaviest : 1;
                return tier.OrderBy(record => record.Target, StringComparer.Ordinal).ThenBy(record => record.Port).Select(record =>
                {
                    var address = new UriBuilder(scheme, record.Target.TrimEnd('.'), record.Port).Uri;
                    return new Destination($"{record.Target.TrimEnd('.')}:{record.Port}", address)
                    {
                        Priority = Math.Min(63, tiers.IndexOf(record.Priority)),
                        Weight = Math.Max(1, (int)Math.Round(record.Weight * scale)),
                    };
                });
            }).DistinctBy(destination => destination.Name),
        ];
    }

    private async Task<DnsAnswer> LookUpAsync(IDnsQuery client, CancellationToken cancellationToken)
    {
        var answer = await client.QueryAsync(_options.Host, QueryType.SRV, cancellationToken: cancellationToken);
        if (answer.HasError)
        {
            return DnsAnswer.Failed(answer.ErrorMessage + ".");
        }

        // A target of "." says that the service is decidedly not there (RFC 2782).
        var records = answer.Answers.OfType<SrvRecord>().Where(record => record.Target.Value != ".").ToList();
        return records.Count == 0
            ? DnsAnswer.Failed("The service has no SRV records.")
            : DnsAnswer.Found(
                Destinations([.. records.Select(record => (record.Target.Value, (int)record.Port, (int)record.Priority, (int)record.Weight))], _options.Scheme),
                TimeSpan.FromSeconds(records.Min(record => record.InitialTimeToLive)));
    }
}
