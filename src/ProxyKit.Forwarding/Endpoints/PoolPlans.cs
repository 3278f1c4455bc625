using System.Runtime.CompilerServices;

using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.ObjectPool;

namespace ProxyKit.Forwarding;

/// <summary>Makes pools ready for requests: one forwarder for each, whichever routes lead to it.</summary>
internal sealed class PoolPlans
{
    private readonly ConditionalWeakTable<Pool, PoolForwarder> _forwarders = [];
    private readonly Lock _making = new();
    private readonly PoolDirectory _pools;
    private readonly IServiceProvider _services;
    private readonly TimeProvider _time;
    private readonly ForwardingOptions _host;
    private readonly ForwardingMetrics _metrics;
    private readonly ILogger _logger;
    private readonly ObjectPool<Deadline> _deadlines;

    public PoolPlans(PoolDirectory pools, IServiceProvider services, TimeProvider time, ForwardingOptions host, ForwardingMetrics metrics, ILoggerFactory loggers)
    {
        (_pools, _services, _time, _host, _metrics) = (pools, services, time, host, metrics);
        _logger = loggers.CreateLogger(ForwardingMetrics.Name);
        _deadlines = new DefaultObjectPool<Deadline>(new Deadline.Source(time), 1024);
        Mirrors = new Mirrors(this, time, metrics);
        pools.Reloaded += (_, _) => RetireRemoved();
    }

    public Mirrors Mirrors { get; }

    /// <summary>Who stands in front of this host.</summary>
    public ForwardingOptions Host => _host;

    /// <summary>The names of all pools there are now.</summary>
    public IEnumerable<string> Names => _pools.Pools.Select(pool => $"'{pool.Name}'");

    /// <summary>The host's pools.</summary>
    public PoolDirectory Pools => _pools;

    /// <summary>The forwarder of the pool of that name.</summary>
    /// <exception cref="KeyNotFoundException">There is none; the message says which there are.</exception>
    public PoolForwarder Find(string pool) => Of(_pools.Find(pool));

    /// <summary>The forwarder of the pool of that name; null where configuration has taken it away.</summary>
    public PoolForwarder? TryFind(string pool, PoolForwarder? last = null) =>
        !_pools.TryFind(pool, out var found) ? null : ReferenceEquals(last?.Pool, found) ? last : Of(found);

    /// <summary>A pool's settings made ready. What a changed setting does not touch is taken over from the plan before.</summary>
    public PoolPlan Compile(Pool pool, PoolPlan? before)
    {
        var settings = pool.Snapshot.Settings;
        var recipe = UpstreamHandler.Recipe.Of(settings);
        var retries = settings.Get<RetryOptions>() ?? new RetryOptions();
        return new PoolPlan
        {
            Settings = settings,
            Recipe = recipe,
            HasUserClient = HasUserClient(pool),
            Client = before is not null && before.Recipe == recipe ? before.Client : MakeClient(pool, recipe),
            Addresses = before?.Addresses ?? new AddressMemory(),
            Upstream = recipe.Options,
            Timeouts = settings.Get<TimeoutOptions>() ?? new TimeoutOptions(),
            Retries = new RetryRule(retries),
            Budget = before is not null && before.Retries.Options.BudgetShare == retries.BudgetShare && before.Retries.Options.BudgetPerSecond == retries.BudgetPerSecond
                ? before.Budget
                : new RetryBudget(retries.BudgetShare, retries.BudgetPerSecond, _time),
            Hedging = settings.Get<HedgeOptions>(),
            Resilience = settings.Get<Resilience>()?.Pipeline,
            Forwarded = ForwardedHeaders.Create(settings.Get<ForwardedOptions>(), _host),
            Stickiness = Stickiness.Create(pool.Name, settings, _services),
            Key = Stickiness.KeyOf(settings, _host),
            Limits = settings.Get<LimitOptions>(),
            StateHeader = settings.Get<StateHeaderOptions>()?.Name,
        };
    }

    private bool HasUserClient(Pool pool)
    {
        var name = PoolHttpClient.NameOf(pool.Name);
        return _services.GetServices<PoolHttpClient>().Any(client => client.Name == name);
    }

    // A pool whose client the user has composed gets its handler from the factory; any other needs no factory between.
    private PoolClient MakeClient(Pool pool, UpstreamHandler.Recipe recipe)
    {
        return HasUserClient(pool)
            ? new PoolClient(new HttpMessageInvoker(_services.GetRequiredService<IHttpMessageHandlerFactory>().CreateHandler(PoolHttpClient.NameOf(pool.Name)), disposeHandler: false))
            : new PoolClient(new HttpMessageInvoker(recipe.Options.ForwardInformational ? new InterimHandler { InnerHandler = UpstreamHandler.Create(recipe) } : UpstreamHandler.Create(recipe)));
    }

    // Pools that configuration took away: their connections end with their last request.
    private void RetireRemoved()
    {
        lock (_making)
        {
            foreach (var (pool, forwarder) in _forwarders.ToList())
            {
                if (!_pools.TryFind(pool.Name, out var now) || !ReferenceEquals(now, pool))
                {
                    _forwarders.Remove(pool);
                    forwarder.Dispose();
                }
            }
        }
    }

    private PoolForwarder Of(Pool pool)
    {
        if (_forwarders.TryGetValue(pool, out var forwarder))
        {
            return forwarder;
        }

        lock (_making)
        {
            if (!_forwarders.TryGetValue(pool, out forwarder))
            {
                forwarder = new PoolForwarder(pool, this, _time, _metrics, _deadlines, _logger);
                _forwarders.Add(pool, forwarder);
            }

            return forwarder;
        }
    }
}
