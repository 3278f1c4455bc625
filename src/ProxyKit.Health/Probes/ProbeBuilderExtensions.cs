using Microsoft.Extensions.DependencyInjection;

namespace ProxyKit.Health;

/// <summary>Composes the probing of pools.</summary>
public static class ProbeBuilderExtensions
{
    /// <summary>Probes the pool's destinations: those that fail get no traffic until they succeed again.</summary>
    /// <param name="builder">The pool.</param>
    /// <param name="probe">How they are asked: an <see cref="HttpProbe"/>, <see cref="TcpProbe"/>, <see cref="TlsProbe"/> or <see cref="GrpcProbe"/>, or one of your own.</param>
    /// <param name="options">When, and what it takes to believe them; the defaults of <see cref="ProbeOptions"/> where null.</param>
    /// <exception cref="ArgumentException">The probe or the options have faults; the message lists every one.</exception>
    public static IPoolBuilder WithProbe(this IPoolBuilder builder, IProbe probe, ProbeOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        ProbeServices.Add(builder.Services);
        var probing = Probing.Of(probe, options);
        return probing.Options.ProveFirst ? builder.With(probing).With(Probing.Unproven) : builder.With(probing);
    }

    /// <summary>Settings by which a <see cref="Prober"/> probes a pool that has no host.</summary>
    /// <inheritdoc cref="WithProbe(IPoolBuilder, IProbe, ProbeOptions)"/>
    public static PoolSettings WithProbe(this PoolSettings settings, IProbe probe, ProbeOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(settings);
        return Probing.Of(probe, options).AddTo(settings);
    }

    /// <summary>
    /// Composes the client that HTTP and gRPC probes of the pool go through, <c>ProxyKit.{pool}.Probe</c>: fields, certificates, handlers of your own.
    /// Its primary handler is ProxyKit's, which follows no redirect and keeps no cookie, unless you set another. It is made once, with the
    /// timeout and intervals that the pool has then.
    /// </summary>
    public static IPoolBuilder WithProbeClient(this IPoolBuilder builder, Action<IHttpClientBuilder> configure)
    {
        ArgumentNullException.ThrowIfNull(builder);
        ArgumentNullException.ThrowIfNull(configure);
        ProbeServices.Add(builder.Services);
        var composed = new ProbeHttpClient(builder.Pool.Name);
        var client = builder.Services.AddHttpClient(composed.Name, static client => client.Timeout = Timeout.InfiniteTimeSpan) // each probe has its own limit
            .ConfigurePrimaryHttpMessageHandler(() => ProbeClient.NewHandler(composed.Recipe))
            .SetHandlerLifetime(Timeout.InfiniteTimeSpan)
            .RemoveAllLoggers();
        builder.Services.AddSingleton(composed);
        configure(client);
        return builder;
    }
}
