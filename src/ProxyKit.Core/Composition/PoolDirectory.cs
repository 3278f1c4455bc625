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
    private readonly TimeProvider _time;
    private readonly PoolMetrics _metrics;
    private readonly ILogger _logger;
    private readonly ProxyKitConfiguration[] _configurations;
    private readonly List<IDisposable> _reloads = [];
    private FrozenDictionary<string, PoolRunner> _pools = FrozenDictionary<string, PoolRunner>.Empty;

    /// <summary>Builds every pool that was composed.</summary>
    /// <exception cref="InvalidOperationException">Configuration has faults; the message lists every one with its path.</exception>
    internal PoolDirectory(
        IEnumerable<PoolDefinition> definitions,
        IEnumerable<ProxyKitConfiguration> configurations,
        PoolSection reader,
        IEnumerable<IOutcomeObserver> observers,
        TimeProvider time,
        PoolMetrics metrics,
        ILogger<PoolDirectory> logger)
    {
        (_reader, _observers, _time, _metrics, _logger) = (reader, [.. observers], time, metrics, logger);
        _configurations = [.. configurations];
        var faults = new List<string>();
        var pools = new Dictionary<string, PoolRunner>(StringComparer.Ordinal);
        foreach (var definition in definitions)
        {
            Add(pools, definition, faults);
        }

        foreach (var section in Sections())
        {
            if (pools.ContainsKey(section.Key))
            {
                faults.Add($"{section.Path}: a pool of that name was added in code or in another section; give it WithConfiguration(...) there, or another name here.");
                continue;
            }

            Add(pools, new PoolDefinition(section.Key, []) { Section = section, IsConfigured = true }, faults);
        }

        if (faults.Count > 0)
        {
            pools.Values.ToList().ForEach(pool => pool.Dispose());
            throw new InvalidOperationException($"ProxyKit's configuration has {(faults.Count == 1 ? "a fault" : $"{faults.Count} faults")}: {string.Join(" ", faults)}");
        }

        _pools = pools.ToFrozenDictionary();
        foreach (var section in _configurations.Select(configuration => configuration.Section).Concat(definitions.Select(definition => definition.Section).OfType<IConfiguration>()))
        {
            _reloads.Add(ChangeToken.OnChange(section.GetReloadToken, Reload));
        }

        metrics.Watch(this);
    }

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
        _reloads.ForEach(reload => reload.Dispose());
        foreach (var runner in Volatile.Read(ref _pools).Values)
        {
            runner.Dispose();
        }
    }

    /// <summary>Waits until each pool that takes its destinations from a source has had a first set.</summary>
    internal Task WhenReadyAsync(CancellationToken cancellationToken) =>
        Task.WhenAll(Volatile.Read(ref _pools).Values.Select(runner => runner.Ready)).WaitAsync(cancellationToken);

    /// <summary>Waits until <paramref name="pool"/> has had a first set of destinations from its source; one without a source is ready at once.</summary>
    public Task WhenReadyAsync(Pool pool, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(pool);
        return Volatile.Read(ref _pools).GetValueOrDefault(pool.Name)?.Ready.WaitAsync(cancellationToken) ?? Task.CompletedTask;
    }

    private IEnumerable<IConfigurationSection> Sections() => _configurations.SelectMany(configuration => configuration.Section.GetSection("Pools").GetChildren());

    private bool Add(Dictionary<string, PoolRunner> pools, PoolDefinition definition, List<string> faults)
    {
        if (PoolRunner.TryStart(definition, _reader, _observers, _time, _logger, faults) is not { } runner)
        {
            return false;
        }

        pools.Add(definition.Name, runner);
        return true;
    }

    private void Reload()
    {
        lock (_changing)
        {
            var pools = _pools.ToDictionary();
            var sections = Sections().ToList();
            foreach (var runner in pools.Values.ToList())
            {
                if (runner.Definition.IsConfigured && !sections.Any(other => other.Key == runner.Definition.Name))
                {
                    pools.Remove(runner.Definition.Name);
                    runner.Pool.Update([]);
                    runner.Dispose();
                    Log.Removed(_logger, runner.Definition.Name);
                    continue;
                }

                Judge(runner.Definition.Name, faults => runner.TryReload(_reader, faults));
            }

            foreach (var section in sections.Where(section => !pools.ContainsKey(section.Key)))
            {
                Judge(section.Key, faults => Add(pools, new PoolDefinition(section.Key, []) { Section = section, IsConfigured = true }, faults));
            }

            Volatile.Write(ref _pools, pools.ToFrozenDictionary());
        }
    }

    // A bad reload is refused for that pool alone.
    private void Judge(string pool, Func<List<string>, bool> change)
    {
        var faults = new List<string>();
        var changed = change(faults);
        if (faults.Count > 0)
        {
            _metrics.Reloaded(pool, accepted: false);
            Log.Refused(_logger, pool, string.Join(" ", faults));
        }
        else if (changed)
        {
            _metrics.Reloaded(pool, accepted: true);
            Log.Reloaded(_logger, pool);
        }
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

    [LoggerMessage(7, LogLevel.Warning, "Some pools had no destinations from their sources within {Timeout}; the host starts without them.", EventName = "StartedUnready")]
    public static partial void StartedUnready(ILogger logger, TimeSpan timeout);
}
