using System.Collections.Immutable;

using Microsoft.Extensions.Logging;

namespace ProxyKit;

/// <summary>A pool and what feeds it: how it was composed, its section of configuration, its source of destinations.</summary>
internal sealed class PoolRunner : IDisposable
{
    private readonly ILogger _logger;
    private readonly Lock _feeding = new();
    private IDestinationSource? _source;
    private readonly CancellationTokenSource _ended = new();
    private CancellationTokenSource _watching = new();

    private PoolRunner(PoolDefinition definition, Pool pool, IPoolWorker[] workers, ILogger logger)
    {
        (Definition, Pool, _logger) = (definition, pool, logger);
        pool.MemberChanged += Tell;
        foreach (var worker in workers)
        {
            _ = WorkAsync(worker, _ended.Token);
        }

        Follow(pool.Snapshot.Settings.Get<IDestinationSource>());
    }

    public PoolDefinition Definition { get; }

    public Pool Pool { get; }

    public static PoolRunner? TryStart(PoolDefinition definition, PoolSection reader, IOutcomeObserver[] observers, IPoolWorker[] workers, TimeProvider time, ILogger logger, List<string> faults)
    {
        if (Compose(definition, reader, faults) is not var (destinations, settings))
        {
            return null;
        }

        var source = settings.Get<IDestinationSource>();
        return new PoolRunner(definition, new Pool(definition.Name, source is null ? destinations : [], settings, observers, time), workers, logger);
    }

    /// <summary>Reads the configuration again; false where it has faults, and then nothing has changed.</summary>
    public bool TryReload(PoolSection reader, List<string> faults)
    {
        if (Compose(Definition, reader, faults) is not var (destinations, settings))
        {
            return false;
        }

        lock (_feeding)
        {
            var source = settings.Get<IDestinationSource>();
            if (_source is not null && _source.Equals(source))
            {
                // The one that is watched must also be the one that is told to refresh.
                source = _source;
                settings = settings.With(source);
            }

            Pool.Update(source is null ? destinations : null, settings);
            Follow(source);
        }

        return true;
    }

    public void Dispose()
    {
        _watching.Cancel();
        _ended.Cancel();
        Pool.Dispose();
    }

    // Code wins over configuration, setting by setting; destinations of both are taken, those of code first.
    private static (ImmutableArray<Destination> Destinations, PoolSettings Settings)? Compose(PoolDefinition definition, PoolSection reader, List<string> faults)
    {
        var (destinations, settings) = (definition.Destinations, PoolSettings.Default);
        if (definition.Section is { } section)
        {
            var before = faults.Count;
            (var configured, settings) = reader.Read(section, faults);
            destinations = [.. destinations, .. configured];
            if (faults.Count > before)
            {
                return null;
            }

            var doubled = Pool.Faults(destinations).ToList();
            if (doubled.Count > 0)
            {
                faults.Add($"Pool '{definition.Name}': {string.Join(" ", doubled)}");
                return null;
            }
        }

        settings = definition.Configured.Aggregate(settings, (before, set) => set(before));
        return (destinations, definition.Source is { } make ? settings.With(make(reader.Services)) : settings);
    }

    private async Task WorkAsync(IPoolWorker worker, CancellationToken cancellationToken)
    {
        try
        {
            await worker.RunAsync(Pool, cancellationToken);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // The pool ended.
        }
        catch (Exception fault) // it may be the user's and throw anything; the pool lives on
        {
            Log.WorkerFailed(_logger, fault, Pool.Name, worker.GetType().Name);
        }
    }

    private void Tell(object? sender, MemberChange change)
    {
        if (change.After is MemberStanding.Down)
        {
            Log.MemberLost(_logger, change.Destination, Pool.Name, change.Before, change.After, change.Source, change.Reason);
        }
        else
        {
            Log.MemberChanged(_logger, change.Destination, Pool.Name, change.Before, change.After, change.Source, change.Reason);
        }
    }

    private void Follow(IDestinationSource? source)
    {
        if (Equals(source, _source))
        {
            return;
        }

        _watching.Cancel();
        _watching = new CancellationTokenSource();
        _source = source;
        if (source is not null)
        {
            _ = WatchAsync(source, _watching.Token);
        }
    }

    private async Task WatchAsync(IDestinationSource source, CancellationToken cancellationToken)
    {
        await Task.Yield();
        var delay = TimeSpan.FromSeconds(1);
        while (!cancellationToken.IsCancellationRequested)
        {
            try
            {
                await foreach (var destinations in source.WatchAsync(cancellationToken).WithCancellation(cancellationToken))
                {
                    delay = TimeSpan.FromSeconds(1);
                    Take(destinations, cancellationToken);
                }

                Pool.SetReady(); // a source that ends has said all
                return;
            }
            catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
            {
                return;
            }
            catch (Exception fault) // a user's source may throw anything; the pool lives on with what it has
            {
                Log.SourceFailed(_logger, fault, Pool.Name, Pool.Snapshot.Members.Length, delay);
            }

            try
            {
                await Task.Delay(delay, Pool.Time, cancellationToken);
            }
            catch (OperationCanceledException)
            {
                return;
            }

            delay = TimeSpan.FromSeconds(Math.Min(60, delay.TotalSeconds * 2));
        }
    }

    private void Take(IReadOnlyList<Destination> destinations, CancellationToken cancellationToken)
    {
        lock (_feeding)
        {
            // A source that a reload replaced may still have one set to tell; it must not overwrite what came after.
            if (cancellationToken.IsCancellationRequested
                || (Pool.Ready.IsCompleted && destinations.SequenceEqual(Pool.Snapshot.Members.Select(member => member.Destination))))
            {
                return;
            }

            try
            {
                Pool.Update(destinations);
                Log.DestinationsChanged(_logger, Pool.Name, destinations.Count);
            }
            catch (ArgumentException fault)
            {
                Log.DestinationsRefused(_logger, Pool.Name, Pool.Snapshot.Members.Length, fault.Message);
            }
        }
    }
}
