using System.Diagnostics.Metrics;
using System.Runtime.CompilerServices;
using System.Text;

using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Routing;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

using Polly;

namespace ProxyKit.Forwarding;

/// <summary>Forwarding, for hosts.</summary>
public static class ForwardingExtensions
{
    private static readonly ConditionalWeakTable<PoolDirectory, PoolPlans> Hosts = [];

    /// <summary>Adds what forwards requests. Called once by whoever maps pools; calling it again, to set <paramref name="options"/> say, is allowed.</summary>
    /// <param name="builder">ProxyKit.</param>
    /// <param name="options">Who stands in front of the gateway; nobody where null.</param>
    /// <exception cref="ArgumentException">The options have faults.</exception>
    public static IProxyKitBuilder AddForwarding(this IProxyKitBuilder builder, ForwardingOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        var services = builder.Services;
        if (options is not null)
        {
            services.Replace(ServiceDescriptor.Singleton(options.Frozen()));
        }

        if (services.Any(service => service.ServiceType == typeof(TransformReader)))
        {
            return builder;
        }

        services.AddRouting();
        services.AddHttpClient();
        services.AddForwardingFeatures();
        services.AddSettingsSection<RetryOptions>("Retries", static (section, options) => section.Bind(options));
        services.AddSettingsSection<TimeoutOptions>("Timeouts", static (section, options) => section.Bind(options));
        services.AddSettingsSection<UpstreamOptions>("Upstream", static (section, options) => section.Bind(options));
        services.AddSettingsSection<HedgeOptions>("Hedging", static (section, options) => section.Bind(options));

        services.Configure<KestrelServerOptions>(MakeStrict);
        return builder.AddDeparture();
    }

    /// <summary>The same, with the options that <paramref name="section"/> holds: by custom, <c>Forwarding</c> of ProxyKit's section.</summary>
    /// <exception cref="ArgumentException">The section has faults; the message lists every one with its path.</exception>
    public static IProxyKitBuilder AddForwarding(this IProxyKitBuilder builder, IConfigurationSection section)
    {
        var faults = new List<string>();
        return ConfigurationReader.TryRead<ForwardingOptions>(section, static (section, options) => section.Bind(options), faults, out var options)
            ? builder.AddForwarding(options)
            : throw new ArgumentException(string.Join(" ", faults), nameof(section));
    }

    /// <summary>
    /// Says how the gateway stops: how long it serves on while it says that it leaves, and how long what runs may take then. Without it,
    /// <c>Shutdown</c> of ProxyKit's section says so (with <see cref="AddForwarding(IProxyKitBuilder, ForwardingOptions?)"/>), or else there is no delay,
    /// and what runs may take as long as the host waits (<see cref="HostOptions.ShutdownTimeout"/>).
    /// </summary>
    /// <param name="builder">ProxyKit.</param>
    /// <param name="options">How long. The host's own <see cref="HostOptions.ShutdownTimeout"/> is raised where it would be over before.</param>
    /// <exception cref="ArgumentException">The options have faults.</exception>
    public static IProxyKitBuilder AddGracefulShutdown(this IProxyKitBuilder builder, ShutdownOptions options)
    {
        ArgumentNullException.ThrowIfNull(builder);
        builder.Services.Replace(ServiceDescriptor.Singleton(options.Frozen()));
        return builder.AddDeparture();
    }

    /// <summary>Says when failed attempts at the pool are made again. Without it, the defaults of <see cref="RetryOptions"/> hold.</summary>
    public static IPoolBuilder WithRetries(this IPoolBuilder builder, RetryOptions retries) => builder.With(retries);

    /// <summary>Says how long each part of forwarding to the pool may take. Without it, the defaults of <see cref="TimeoutOptions"/> hold.</summary>
    public static IPoolBuilder WithTimeouts(this IPoolBuilder builder, TimeoutOptions timeouts) => builder.With(timeouts);

    /// <summary>Says how the pool's destinations are spoken to.</summary>
    public static IPoolBuilder WithUpstream(this IPoolBuilder builder, UpstreamOptions upstream) => builder.With(upstream);

    /// <summary>Sends slow idempotent requests to a second member as well.</summary>
    public static IPoolBuilder WithHedging(this IPoolBuilder builder, HedgeOptions? hedging = null) => builder.With(hedging ?? new HedgeOptions());

    /// <summary>Says what destinations of the pool are told of clients.</summary>
    public static IPoolBuilder WithForwarded(this IPoolBuilder builder, ForwardedOptions forwarded) => builder.With(forwarded);

    /// <summary>
    /// Puts a Polly pipeline around the attempts at the pool: a circuit breaker, a limiter, a chaos strategy. It sees the answer's head;
    /// the body streams after it, outside the pipeline's timeouts.
    /// </summary>
    public static IPoolBuilder WithResilience(this IPoolBuilder builder, Action<ResiliencePipelineBuilder<HttpResponseMessage>> configure)
    {
        ArgumentNullException.ThrowIfNull(configure);
        var pipeline = new ResiliencePipelineBuilder<HttpResponseMessage>();
        configure(pipeline);
        return builder.With(new Resilience(pipeline.Build()));
    }

    /// <summary>
    /// Composes the client that speaks to the pool's destinations: certificates, handlers of your own. Its primary handler is ProxyKit's, unless you
    /// set another. Settings of the pool that shape the handler (<see cref="UpstreamOptions"/>, connect timeouts) are then read once.
    /// </summary>
    public static IPoolBuilder WithHttpClient(this IPoolBuilder builder, Action<IHttpClientBuilder> configure)
    {
        ArgumentNullException.ThrowIfNull(builder);
        ArgumentNullException.ThrowIfNull(configure);
        var pool = builder.Pool.Name;
        var name = PoolHttpClient.NameOf(pool);
        var client = builder.Services.AddHttpClient(name)
            .ConfigurePrimaryHttpMessageHandler(services => UpstreamHandler.Create(UpstreamHandler.Recipe.Of(services.GetRequiredService<PoolDirectory>().Find(pool).Snapshot.Settings)))
            .SetHandlerLifetime(Timeout.InfiniteTimeSpan)
            .RemoveAllLoggers();
        builder.Services.AddSingleton(new PoolHttpClient(name));
        configure(client);
        client.ConfigureAdditionalHttpMessageHandlers(static (handlers, _) => handlers.Add(new InterimHandler())); // last, after the user's own
        return builder;
    }

    /// <summary>Serves <paramref name="pattern"/> from the pool of that name.</summary>
    /// <param name="endpoints">The host's endpoints.</param>
    /// <param name="pattern">A route pattern of ASP.NET Core, such as <c>/orders/{**rest}</c>.</param>
    /// <param name="pool">The pool's name.</param>
    /// <exception cref="KeyNotFoundException">No pool has that name; the message says which there are.</exception>
    public static PoolEndpointBuilder MapPool(this IEndpointRouteBuilder endpoints, string pattern, string pool)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(pool);
        return Map(endpoints, pattern, new PoolRoute { Pool = pool });
    }

    /// <summary>Serves <paramref name="pattern"/> from several pools, by weight.</summary>
    /// <exception cref="KeyNotFoundException">A pool is not known; the message says which there are.</exception>
    /// <exception cref="ArgumentException">The split has faults.</exception>
    public static PoolEndpointBuilder MapPool(this IEndpointRouteBuilder endpoints, string pattern, TrafficSplit split)
    {
        ArgumentNullException.ThrowIfNull(split);
        return Map(endpoints, pattern, new PoolRoute { Pool = split.Valid().Shares[0].Pool, Split = split });
    }

    /// <summary>
    /// Serves the routes that configuration has (<c>Routes</c> of the section given to <c>AddConfiguration</c>), now and whenever it changes.
    /// Conventions added to what this returns hold for all of them. <c>docs/configuration.md</c> shows the section whole.
    /// </summary>
    /// <exception cref="InvalidOperationException">Configuration has faults; the message lists every one with its path.</exception>
    public static IEndpointConventionBuilder MapProxyKit(this IEndpointRouteBuilder endpoints)
    {
        ArgumentNullException.ThrowIfNull(endpoints);
        var services = endpoints.ServiceProvider;
        var source = new ConfiguredEndpoints(
            Plans(services),
            services.GetServices<ProxyKitConfiguration>(),
            new RouteReader(services.GetService<TransformReader>() ?? new TransformReader(services.GetServices<NamedTransform>())),
            services.GetRequiredService<ILoggerFactory>());
        endpoints.DataSources.Add(source);
        return source;
    }

    private static IProxyKitBuilder AddDeparture(this IProxyKitBuilder builder)
    {
        var services = builder.Services;
        if (services.Any(service => service.ServiceType == typeof(Departure)))
        {
            return builder;
        }

        services.AddSingleton(services => ShutdownSetting.Of(services.GetService<ShutdownOptions>(), services.GetServices<ProxyKitConfiguration>()));
        services.AddSingleton<Departure>();
        services.AddSingleton<IHostedService>(services => services.GetRequiredService<Departure>());
        services.AddTransient<IStartupFilter, Farewell.ForAll>();
        services.AddSingleton<IPostConfigureOptions<HostOptions>>(services => new PostConfigureOptions<HostOptions, ShutdownSetting>(
            Options.DefaultName, services.GetRequiredService<ShutdownSetting>(), static (host, setting) =>
            {
                if (setting.Options is { } options && host.ShutdownTimeout != Timeout.InfiniteTimeSpan && host.ShutdownTimeout < options.Delay + options.Timeout + Departure.LastWords)
                {
                    host.ShutdownTimeout = options.Delay + options.Timeout + Departure.LastWords;
                }
            }));
        return builder;
    }

    // One for each host, made by the first route: mapping a pool is enough, AddForwarding may be left out.
    private static PoolPlans Plans(IServiceProvider services)
    {
        var pools = services.GetService<PoolDirectory>()
            ?? throw new InvalidOperationException("ProxyKit was not added; call services.AddProxyKit() and add a pool before the host is built.");
        return Hosts.GetValue(pools, _ =>
        {
            var departure = services.GetService<Departure>();
            if (departure is null && ShutdownSetting.Section(services.GetServices<ProxyKitConfiguration>()) is { } unread)
            {
                throw new InvalidOperationException($"{unread.Path} is read by nobody; call services.AddProxyKit().AddForwarding() before the host is built.");
            }

            if (services.GetService<IOptions<KestrelServerOptions>>() is { } kestrel)
            {
                MakeStrict(kestrel.Value);
            }

            return new PoolPlans(
                pools,
                services,
                services.GetRequiredService<TimeProvider>(),
                services.GetService<ForwardingOptions>() ?? new ForwardingOptions(),
                departure ?? new Departure(
                    services.GetRequiredService<GatewayLifetime>(), new ShutdownSetting(null), services.GetRequiredService<TimeProvider>(), services.GetRequiredService<ILoggerFactory>()),
                new ForwardingMetrics(services.GetRequiredService<IMeterFactory>()),
                services.GetRequiredService<ILoggerFactory>());
        });
    }

    // Strict where bytes are parsed: a line ends in CR LF (RFC 9112 §2.2), and what is Latin-1 stays it, byte for byte.
    private static void MakeStrict(KestrelServerOptions kestrel)
    {
        AppContext.SetSwitch("Microsoft.AspNetCore.Server.Kestrel.DisableHttp1LineFeedTerminators", true);
        kestrel.AddServerHeader = false;
        kestrel.RequestHeaderEncodingSelector = static name => name == "Connection" ? ConnectionEncoding.Instance : Encoding.Latin1;
        kestrel.ResponseHeaderEncodingSelector = static name => IsAlwaysAscii(name) ? null : Encoding.Latin1;
    }

    // Fields that by their grammar are ASCII, which the server writes faster where it need not think of another encoding.
    private static bool IsAlwaysAscii(string name) => name.Length switch
    {
        4 => name == "Date" || name == "Vary",
        10 => name == "Connection",
        13 => name == "Last-Modified" || name == "Accept-Ranges",
        14 => name == "Content-Length",
        17 => name == "Transfer-Encoding",
        _ => false,
    };

    private static PoolEndpointBuilder Map(IEndpointRouteBuilder endpoints, string pattern, PoolRoute route)
    {
        ArgumentNullException.ThrowIfNull(endpoints);
        var plans = Plans(endpoints.ServiceProvider);
        foreach (var pool in RouteHolder.PoolsOf(route))
        {
            plans.Find(pool);
        }

        var holder = new RouteHolder(plans, route);
        var endpoint = endpoints.Map(pattern, holder.InvokeAsync);
        endpoint.WithDisplayName($"{pattern} → {string.Join(", ", RouteHolder.PoolsOf(route))}");
        return new PoolEndpointBuilder(endpoint, holder);
    }
}
