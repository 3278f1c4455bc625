using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.ServiceDiscovery;

namespace ProxyKit.Balancing;

/// <summary>Says where the pool just added has its destinations from.</summary>
public static class SourceBuilderExtensions
{
    /// <summary>Takes the destinations from the A and AAAA records of <paramref name="host"/>.</summary>
    /// <param name="builder">The pool.</param>
    /// <param name="host">The name, such as <c>orders.svc</c>.</param>
    /// <param name="port">The port of every destination; 0 is the scheme's own.</param>
    /// <param name="scheme">The scheme of every destination.</param>
    /// <exception cref="ArgumentException">An argument is no such thing; the message says what would be.</exception>
    public static IPoolBuilder WithDns(this IPoolBuilder builder, string host, int port = 0, string scheme = "http") =>
        builder.WithDns(new DnsOptions { Host = host, Port = port, Scheme = scheme });

    /// <summary>Takes the destinations from the A and AAAA records of a name.</summary>
    /// <exception cref="ArgumentException">The options have faults; the message lists every one.</exception>
    public static IPoolBuilder WithDns(this IPoolBuilder builder, DnsOptions options)
    {
        _ = new DnsSource(options); // judged here, at the caller's line
        return builder.WithDestinations(services => Dns(services, options));
    }

    /// <summary>Takes the destinations, with weights and priorities, from the SRV records of <paramref name="service"/>.</summary>
    /// <param name="builder">The pool.</param>
    /// <param name="service">The service, such as <c>_http._tcp.orders.svc</c>.</param>
    /// <param name="scheme">The scheme of every destination.</param>
    /// <exception cref="ArgumentException">An argument is no such thing; the message says what would be.</exception>
    public static IPoolBuilder WithDnsSrv(this IPoolBuilder builder, string service, string scheme = "http") =>
        builder.WithDnsSrv(new DnsOptions { Host = service, Scheme = scheme });

    /// <summary>Takes the destinations, with weights and priorities, from the SRV records of a service.</summary>
    /// <exception cref="ArgumentException">The options have faults; the message lists every one.</exception>
    public static IPoolBuilder WithDnsSrv(this IPoolBuilder builder, DnsOptions options)
    {
        _ = new DnsSrvSource(options); // judged here, at the caller's line
        return builder.WithDestinations(services => DnsSrv(services, options));
    }

    /// <summary>Takes the destinations from <c>Microsoft.Extensions.ServiceDiscovery</c>, which it adds with its defaults where the host has not.</summary>
    /// <param name="builder">The pool.</param>
    /// <param name="service">The service, such as <c>orders</c> or <c>https+http://orders</c>.</param>
    public static IPoolBuilder WithServiceDiscovery(this IPoolBuilder builder, string service)
    {
        ArgumentNullException.ThrowIfNull(builder);
        ArgumentException.ThrowIfNullOrWhiteSpace(service);
        builder.Services.AddServiceDiscovery();
        return builder.WithDestinations(services => new ServiceDiscoverySource(services.GetRequiredService<ServiceEndpointResolver>(), service));
    }

    internal static DnsSource Dns(IServiceProvider services, DnsOptions options) =>
        new(options, services.GetService<TimeProvider>(), services.GetService<ILogger<DnsSource>>());

    internal static DnsSrvSource DnsSrv(IServiceProvider services, DnsOptions options) =>
        new(options, services.GetService<TimeProvider>(), services.GetService<ILogger<DnsSrvSource>>());
}
