using System.Collections.Frozen;
using System.Diagnostics.CodeAnalysis;

using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Primitives;

namespace ProxyKit;

/// <summary>The host's pools, by name: those composed in code, and those in configuration, which may come and go.</summary>
public sealed class PoolDirectory : IDisposable
{
    private readonly Lock _changing = new();
    private readonly PoolSection _reader;
    private readonly IOutcomeObserver[] _observers;
    private readonly IPoolWorker[] _workers;
    private readonly TimeProvider _time;
    private readonly PoolMetrics _metrics;
    private readonly ILogger _logger;
    private readonly ProxyKitConfiguration[] _configurations;
    private readonly List<IDisposable> _reloads = [];
    private readonly Dictionary<string, string> _judged = new(StringComparer.Ordinal); // by pool, what its section said when last read
    private FrozenDictionary<string, PoolRunner> _pools = FrozenDictionary<string, PoolRunner>.Empty;
    private bool _disposed;

    /// <summary>Builds every pool that was composed.</summary>
    /// <exception cref="InvalidOperationException">Configuration has faults; the message lists every one with its path.</exception>
    internal PoolDirectory(
        IEnumerable<PoolDefinition> definitions,
        IEnumerable<ProxyKitConfiguration> configurations,
        PoolSection reader,
        IEnumerable<IOutcomeObserver> observers,
        IEnumerable<IPoolWorker> workers,
        TimeProvider time,
        PoolMetrics metrics,
        ILogger<PoolDirectory> logger)
    {
        (_reader, _observers, _workers, _time, _metrics, _logger) = (reader, [.. observers], [.. workers], time, metrics, logger);
        _configurations = [.. configurations];
        definitions = [.. definitions];
        try
        {
            lock (_changing)
            {
                // Watched before it is read, so that a change in between is not lost; the reload waits for the lock.
                foreach (var section in _configurations.Select(configuration => configuration.Section).Concat(definitions.Select(definition => definition.Section).OfType<IConfiguration>()))
                {
                    _reloads.Add(ChangeToken.OnChange(section.GetReloadToken, Reload));
                }

                _pools = Start(definitions).ToFrozenDictionary(StringComparer.Ordinal);
            }
        }
        catch
        {
            Dispose();
            throw;
        }

        metrics.Watch(this);
    }

    /// <summary>
    /// Raised when configuration was read again, whether or not it changed a pool. What reads the same configuration and names pools waits for
    /// this: watchers of a section are called last first, so that one of its own would come before the pools.
    /// </summary>
    public event EventHandler? Reloaded;

    /// <summary>All pools there are now.</summary>
    public IReadOnlyList<Pool> Pools => [.. Volatile.Read(ref _pools).Values.Select(runner => runner.Pool).OrderBy(pool => pool.Name, StringComparer.Ordinal)];

    /// <summary>The pool of that name.</summary>
    /// <exception cref="KeyNotFoundException">There is none; the message says which there are.</exception>
    public Pool Find(string name) => TryFind(name, out var pool)
        ? pool
        : throw new KeyNotFoundException($"No pool is named '{name}'. There are: {string.Join(", ", Volatile.Read(ref _pools).Keys.Order().Select(key => $"'{key}'"))}.");

    /// <summary>The pool of that name, if there is one.</summary>
    public bool TryFind(string name, [NotNullWhen(true)] out Pool? pool)
    {
        pool = Volatile.Read(ref _pools).GetValueOrDefault(name)?.Pool;
        return pool is not null;
    }

    /// <summary>Ends the watching of configuration and sources.</summary>
    public void Dispose()
    {
        lock (_changing)
        {
            _disposed = true;
            foreach (var runner in _pools.Values)
            {
                runner.Dispose();
            }
        }

        _reloads.ForEach(reload => reload.Dispose());
    }

    private Dictionary<string, PoolRunner> Start(IEnumerable<PoolDefinition> definitions)
    {
        var faults = new List<string>();
        var pools = new Dictionary<string, PoolRunner>(StringComparer.Ordinal);
        foreach (var definition in definitions)
        {
            Start(pools, definition, faults);
        }

        foreach (var section in Sections().Where(section => !definitions.Any(definition => IsOf(definition, section))))
        {
            if (definitions.Any(definition => definition.Name == section.Key) || pools.ContainsKey(section.Key))
            {
                faults.Add(Doubled(section));
            }
            else
            {
                Start(pools, Configured(section), faults);
            }
        }

        if (faults.Count > 0)
        {
            pools.Values.ToList().ForEach(pool => pool.Dispose());
            throw new InvalidOperationException($"ProxyKit's configuration has {(faults.Count == 1 ? "a fault" : $"{faults.Count} faults")}: {string.Join(" ", faults)}");
        }

        return pools;
    }

    private bool Start(Dictionary<string, PoolRunner> pools, PoolDefinition definition, List<string> faults)
    {
        _judged[definition.Name] = Said(definition.Section);
        if (PoolRunner.TryStart(definition, _reader, _observers, _workers, _time, _logger, faults) is not { } runner)
        {
            return false;
        }

        pools.Add(definition.Name, runner);
        return true;
    }

    private IEnumerable<IConfigurationSection> Sections() => _configurations.SelectMany(configuration => configuration.Section.GetSection("Pools").GetChildren());

    private static PoolDefinition Configured(IConfigurationSection section) => new(section.Key, []) { Section = section, IsConfigured = true };

    // A pool that code composes and binds to its place among the others.
    private static bool IsOf(PoolDefinition definition, IConfigurationSection section) =>
        !definition.IsConfigured && definition.Name == section.Key && definition.Section is IConfigurationSection own && own.Path.Equals(section.Path, StringComparison.OrdinalIgnoreCase);

    private static string Doubled(IConfigurationSection section) =>
        $"{section.Path}: a pool of that name was added in code or in another section; give it WithConfiguration(...) there, or another name here.";

    // All that a section says, as one text: what says the same as before need not be read again, nor its faults be told again.
    private static string Said(IConfiguration? section) => section is null ? "" : string.Join('\n', section.AsEnumerable(makePathsRelative: true));

    private void Reload()
    {
        lock (_changing)
        {
            if (_disposed)
            {
                return;
            }

            var pools = _pools.ToDictionary(StringComparer.Ordinal);
            var sections = Sections().ToList();
            var seen = new HashSet<string>(StringComparer.Ordinal);
            foreach (var (name, runner) in _pools)
            {
                if (runner.Definition.IsConfigured && !sections.Any(other => other.Key == name))
                {
                    pools.Remove(name);
                    runner.Pool.Update([]);
                    runner.Dispose();
                    _judged.Remove(name);
                    Log.Removed(_logger, name);
                }
                else if (runner.Definition.Section is { } section)
                {
                    Judge(name, name, Said(section), faults => runner.TryReload(_reader, faults));
                }
            }

            foreach (var group in sections.GroupBy(section => section.Key, StringComparer.Ordinal))
            {
                var first = group.First();
                if (!pools.TryGetValue(group.Key, out var runner))
                {
                    seen.Add(group.Key);
                    Judge(group.Key, group.Key, Said(first), faults => Start(pools, Configured(first), faults));
                }

                foreach (var doubled in runner is { Definition.IsConfigured: false } ? group.Where(section => !IsOf(runner.Definition, section)) : group.Skip(1))
                {
                    seen.Add(doubled.Path);
                    Judge(doubled.Path, group.Key, "doubled", faults =>
                    {
                        faults.Add(Doubled(doubled));
                        return false;
                    });
                }
            }

            foreach (var gone in _judged.Keys.Where(what => !pools.ContainsKey(what) && !seen.Contains(what)).ToList())
            {
                _judged.Remove(gone); // should it come back, it is judged as new
            }

            Volatile.Write(ref _pools, pools.ToFrozenDictionary(StringComparer.Ordinal));
        }

        Reloaded?.Invoke(this, EventArgs.Empty);
    }

    // A bad reload is refused for that pool alone, and said once however often it is seen.
    private void Judge(string what, string pool, string said, Func<List<string>, bool> change)
    {
        if (_judged.TryGetValue(what, out var before) && before == said)
        {
            return;
        }

        _judged[what] = said;
        var faults = new List<string>();
        try
        {
            if (change(faults))
            {
                _metrics.Reloaded(pool, accepted: true);
                Log.Reloaded(_logger, pool);
                return;
            }
        }
        catch (Exception fault) // a user's policy, options or reader may throw anything; no other pool may suffer for it
        {
            faults.Add(fault.Message);
        }

        _metrics.Reloaded(pool, accepted: false);
        Log.Refused(_logger, pool, string.Join(" ", faults));
    }
}

internal static partial class Log
{
    [LoggerMessage(1, LogLevel.Information, "Pool {Pool} was reloaded from configuration.", EventName = "PoolReloaded")]
    public static partial void Reloaded(ILogger logger, string pool);

    [LoggerMessage(2, LogLevel.Error, "Pool {Pool} keeps what it had: its new configuration has faults. {Faults}", EventName = "PoolReloadRefused")]
    public static partial void Refused(ILogger logger, string pool, string faults);

    [LoggerMessage(3, LogLevel.Information, "Pool {Pool} was removed from configuration; what it has in flight goes on.", EventName = "PoolRemoved")]
    public static partial void Removed(ILogger logger, string pool);

    [LoggerMessage(4, LogLevel.Error, "The source of destinations of pool {Pool} failed; the pool keeps the {Count} it has, and the source is asked again in {Delay}.", EventName = "DestinationSourceFailed")]
    public static partial void SourceFailed(ILogger logger, Exception fault, string pool, int count, TimeSpan delay);

    [LoggerMessage(5, LogLevel.Error, "Pool {Pool} keeps the {Count} destinations it has: the set from its source has faults. {Faults}", EventName = "DestinationsRefused")]
    public static partial void DestinationsRefused(ILogger logger, string pool, int count, string faults);

    [LoggerMessage(6, LogLevel.Information, "Pool {Pool} has {Count} destinations from its source.", EventName = "DestinationsChanged")]
    public static partial void DestinationsChanged(ILogger logger, string pool, int count);

    [LoggerMessage(7, LogLevel.Warning, "These pools are not ready after {Timeout}: {Pools}. Their sources have named no destinations, or nobody has judged these yet. The host starts all the same.", EventName = "StartedUnready")]
    public static partial void StartedUnready(ILogger logger, TimeSpan timeout, string pools);

    [LoggerMessage(8, LogLevel.Information, "Destination {Destination} of pool {Pool} was {Before} and is {After}: {Source}, {Reason}.", EventName = "MemberChanged")]
    public static partial void MemberChanged(ILogger logger, string destination, string pool, MemberStanding before, MemberStanding after, string source, string? reason);

    [LoggerMessage(9, LogLevel.Warning, "Destination {Destination} of pool {Pool} was {Before} and is {After}: {Source}, {Reason}.", EventName = "MemberLost")]
    public static partial void MemberLost(ILogger logger, string destination, string pool, MemberStanding before, MemberStanding after, string source, string? reason);

    [LoggerMessage(10, LogLevel.Error, "What works beside pool {Pool} ({Worker}) has failed; the pool goes on without it.", EventName = "WorkerFailed")]
    public static partial void WorkerFailed(ILogger logger, Exception fault, string pool, string worker);
}
