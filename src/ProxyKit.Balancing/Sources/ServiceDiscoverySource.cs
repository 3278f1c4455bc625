using System.Net;
using System.Net.Sockets;
using System.Runtime.CompilerServices;

using Microsoft.Extensions.Primitives;
using Microsoft.Extensions.ServiceDiscovery;

namespace ProxyKit.Balancing;

/// <summary>Destinations from whatever <c>Microsoft.Extensions.ServiceDiscovery</c> knows: configuration, DNS, Kubernetes, Aspire.</summary>
/// <param name="Resolver">The host's resolver.</param>
/// <param name="Service">The service: <c>https+http://orders</c>, <c>http://_admin.orders</c>, or just <c>orders</c>, which is taken as <c>http://orders</c>.</param>
/// <remarks>A change is taken when the resolver tells of it. An empty set is none: the last one holds.</remarks>
public sealed record ServiceDiscoverySource(ServiceEndpointResolver Resolver, string Service) : IDestinationSource
{
    /// <inheritdoc/>
    public async IAsyncEnumerable<IReadOnlyList<Destination>> WatchAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var service = Service.Contains("://", StringComparison.Ordinal) ? Service : $"http://{Service}";
        // The first of the schemes allowed is what an endpoint without one is spoken to in.
        var scheme = service[..service.IndexOfAny(['+', ':'])];
        while (true)
        {
            var found = await Resolver.GetEndpointsAsync(service, cancellationToken);
            if (found.Endpoints.Count > 0)
            {
                yield return [.. found.Endpoints.Select(endpoint => At(endpoint, scheme)).DistinctBy(destination => destination.Name)];
            }

            await ChangeAsync(found.ChangeToken, cancellationToken);
        }
    }

    private static Destination At(ServiceEndpoint endpoint, string scheme)
    {
        var uri = endpoint.EndPoint switch
        {
            UriEndPoint { Uri: var address } => address,
            IPEndPoint { Address: var address, Port: var port } => new UriBuilder(
                scheme, address.AddressFamily == AddressFamily.InterNetworkV6 ? $"[{address}]" : address.ToString(), port == 0 ? -1 : port).Uri,
            DnsEndPoint { Host: var host, Port: var port } => new UriBuilder(scheme, host, port == 0 ? -1 : port).Uri,
            var other => throw new NotSupportedException($"The endpoint '{other}' is a {other.GetType().Name}; only IP, DNS and URI endpoints can be destinations."),
        };
        return new Destination(uri.Authority, uri) { Host = endpoint.Features.Get<IHostNameFeature>()?.HostName };
    }

    private static async Task ChangeAsync(IChangeToken changed, CancellationToken cancellationToken)
    {
        var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        using var told = changed.RegisterChangeCallback(static state => ((TaskCompletionSource)state!).TrySetResult(), done);
        await done.Task.WaitAsync(cancellationToken);
    }
}

/// <summary>Which service a pool's section <c>ServiceDiscovery</c> names.</summary>
internal sealed class ServiceDiscoveryOptions : IValidatable
{
    public string Service { get; set; } = "";

    public IEnumerable<string> Faults()
    {
        if (string.IsNullOrWhiteSpace(Service))
        {
            yield return $"{nameof(Service)} is empty; name the service, such as 'orders' or 'https+http://orders'.";
        }
    }
}
