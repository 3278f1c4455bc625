using System.Net;
using System.Runtime.CompilerServices;
using System.Threading.Channels;

using DnsClient;

using Microsoft.Extensions.Logging;

namespace ProxyKit.Balancing;

/// <summary>Looks up in DNS again and again: when the records' TTL is over, or at once when asked to, but never more than once a second.</summary>
internal sealed class DnsWatch(DnsOptions options, TimeProvider time, ILogger logger)
{
    private static readonly TimeSpan Floor = TimeSpan.FromSeconds(1);

    // Holds at most one wish: ten members that cannot be reached are one reason to look.
    private readonly Channel<bool> _wishes = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });

    public void Refresh() => _wishes.Writer.TryWrite(true);

    public async IAsyncEnumerable<IReadOnlyList<Destination>> WatchAsync(
        Func<IDnsQuery, CancellationToken, Task<DnsAnswer>> lookUp, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var client = Client();
        var (wait, failures) = (options.MinTtl, 0);
        IReadOnlyList<Destination> last = [];
        while (true)
        {
            _wishes.Reader.TryRead(out _);
            var began = time.GetTimestamp();
            var answer = await TryLookUpAsync(client, lookUp, cancellationToken);
            if (answer.Fault is { } fault)
            {
                // Told once for each time of trouble; what there was stays.
                if (failures++ == 0)
                {
                    Log.LookupFailed(logger, options.Host, fault, last.Count);
                }

                wait = failures == 1 ? options.MinTtl : Least(wait * 2, options.MaxTtl);
            }
            else
            {
                if (failures > 0)
                {
                    Log.LookupRecovered(logger, options.Host, failures);
                }

                failures = 0;
                wait = Least(options.MaxTtl, answer.Ttl > options.MinTtl ? answer.Ttl : options.MinTtl);
                if (!answer.Destinations.SequenceEqual(last))
                {
                    last = answer.Destinations;
                    yield return last;
                }
            }

            await WaitAsync(began, wait, cancellationToken);
        }
    }

    private static async Task<DnsAnswer> TryLookUpAsync(IDnsQuery client, Func<IDnsQuery, CancellationToken, Task<DnsAnswer>> lookUp, CancellationToken cancellationToken)
    {
        try
        {
            return await lookUp(client, cancellationToken);
        }
        catch (Exception fault) when (!cancellationToken.IsCancellationRequested)
        {
            return DnsAnswer.Failed(fault.Message); // a reply that is no DNS, no route to the server: the client throws many kinds
        }
    }

    private async Task WaitAsync(long began, TimeSpan wait, CancellationToken cancellationToken)
    {
        using var over = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var timer = Task.Delay(wait - time.GetElapsedTime(began) is var left && left > TimeSpan.Zero ? left : TimeSpan.Zero, time, over.Token);
        var asked = _wishes.Reader.WaitToReadAsync(over.Token).AsTask();
        await Task.WhenAny(timer, asked);
        await over.CancelAsync();
        await Task.WhenAll(timer, asked).ContinueWith(static _ => { }, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
        cancellationToken.ThrowIfCancellationRequested();
        if (Floor - time.GetElapsedTime(began) is var rest && rest > TimeSpan.Zero)
        {
            await Task.Delay(rest, time, cancellationToken);
        }
    }

    private LookupClient Client()
    {
        var server = options.Server is null ? null : IPEndPoint.Parse(options.Server);
        var client = server is null ? new LookupClientOptions() : new LookupClientOptions(new IPEndPoint(server.Address, server.Port == 0 ? 53 : server.Port));
        (client.UseCache, client.Timeout, client.Retries) = (false, options.Timeout, 1); // the TTL is ours to keep
        return new LookupClient(client);
    }

    private static TimeSpan Least(TimeSpan a, TimeSpan b) => a < b ? a : b;
}

/// <summary>What a lookup found: destinations and how long that holds, or why there are none.</summary>
internal readonly record struct DnsAnswer(IReadOnlyList<Destination> Destinations, TimeSpan Ttl, string? Fault)
{
    public static DnsAnswer Failed(string fault) => new([], TimeSpan.Zero, fault);

    public static DnsAnswer Found(IReadOnlyList<Destination> destinations, TimeSpan ttl) => new(destinations, ttl, null);
}

internal static partial class Log
{
    [LoggerMessage(1, LogLevel.Warning, "Looking {Host} up in DNS failed: {Fault} The {Count} destinations there are stay.", EventName = "DnsLookupFailed")]
    public static partial void LookupFailed(ILogger logger, string host, string fault, int count);

    [LoggerMessage(2, LogLevel.Information, "Looking {Host} up in DNS works again after {Failures} failures.", EventName = "DnsLookupRecovered")]
    public static partial void LookupRecovered(ILogger logger, string host, int failures);

    [LoggerMessage(3, LogLevel.Warning, "The client of pool {Pool} has a ResilienceHandler behind UsePool: each of the pool's attempts is then retried again, and at the same member. Add the resilience handler before UsePool.", EventName = "ResilienceBehindPool")]
    public static partial void ResilienceBehindPool(ILogger logger, string pool);
}
