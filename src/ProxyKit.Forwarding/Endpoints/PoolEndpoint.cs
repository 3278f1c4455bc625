using System.Collections.Immutable;

using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;

namespace ProxyKit.Forwarding;

/// <summary>An endpoint that a pool serves: ASP.NET Core's conventions and ProxyKit's transforms both qualify it.</summary>
public sealed class PoolEndpointBuilder : IEndpointConventionBuilder, ITransformBuilder
{
    private readonly IEndpointConventionBuilder _endpoint;
    private readonly RouteHolder _holder;

    internal PoolEndpointBuilder(IEndpointConventionBuilder endpoint, RouteHolder holder) => (_endpoint, _holder) = (endpoint, holder);

    /// <inheritdoc/>
    public void Add(Action<EndpointBuilder> convention) => _endpoint.Add(convention);

    /// <inheritdoc/>
    public void Finally(Action<EndpointBuilder> finallyConvention) => _endpoint.Finally(finallyConvention);

    /// <inheritdoc/>
    public void Add(IRequestTransform transform) => Change(route => route with { RequestTransforms = route.RequestTransforms.Add(transform) });

    /// <inheritdoc/>
    public void Add(IResponseTransform transform) => Change(route => route with { ResponseTransforms = route.ResponseTransforms.Add(transform) });

    /// <summary>Changes how the route forwards.</summary>
    public PoolEndpointBuilder Change(Func<PoolRoute, PoolRoute> change)
    {
        ArgumentNullException.ThrowIfNull(change);
        _holder.Route = change(_holder.Route);
        return this;
    }

    /// <summary>Limits for this route, in place of its pool's.</summary>
    /// <exception cref="ArgumentException">They have faults.</exception>
    public PoolEndpointBuilder WithTimeouts(TimeoutOptions timeouts) => Change(route => route with { Timeouts = timeouts.Frozen() });

    /// <summary>The key for hashing policies on this route, in place of its pool's.</summary>
    public PoolEndpointBuilder WithKey(HashKey key) => Change(route => route with { Key = key });

    /// <summary>Copies this route's requests to another pool.</summary>
    /// <exception cref="ArgumentException">The options have faults.</exception>
    public PoolEndpointBuilder WithMirror(MirrorOptions mirror) => Change(route => route with { Mirror = mirror.Frozen() });

    /// <summary>Copies this route's requests to the pool of that name.</summary>
    public PoolEndpointBuilder WithMirror(string pool) => WithMirror(new MirrorOptions { Pool = pool });

    /// <summary>Lets paths with encoded slashes or backslashes pass, where the destinations are known to read them as the gateway does.</summary>
    public PoolEndpointBuilder AllowAmbiguousPaths() => Change(route => route with { AllowAmbiguousPaths = true });

    /// <summary>The largest body of a request, in bytes; more gets 413.</summary>
    public PoolEndpointBuilder WithMaxRequestBody(long bytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(bytes);
        return Change(route => route with { MaxRequestBodySize = bytes });
    }
}

/// <summary>A route while it is composed and while it serves.</summary>
internal sealed class RouteHolder(PoolPlans plans, PoolRoute route)
{
    private PoolForwarder? _forwarder;

    /// <summary>How the route forwards, its keys made ready for this host.</summary>
    public PoolRoute Route
    {
        get;
        set => field = value with { Key = value.Key?.For(plans.Host), Split = value.Split?.For(plans.Host) };
    } = route with { Key = route.Key?.For(plans.Host), Split = route.Split?.For(plans.Host) };

    public Task InvokeAsync(HttpContext context)
    {
        var route = Route;
        PoolForwarder? forwarder;
        if (route.Split is { } split)
        {
            forwarder = plans.TryFind(split.Choose(context, unchecked((ulong)Random.Shared.NextInt64(long.MinValue, long.MaxValue))));
        }
        else
        {
            forwarder = plans.TryFind(route.Pool, _forwarder);
            _forwarder = forwarder;
        }

        return forwarder is not null
            ? forwarder.ForwardAsync(context, route)
            : Problem.WriteAsync(context, StatusCodes.Status503ServiceUnavailable, "No server can take the request now.");
    }

    /// <summary>Every pool that the route names.</summary>
    public static ImmutableArray<string> PoolsOf(PoolRoute route) =>
        [.. route.Split is { } split ? split.Shares.Select(share => share.Pool) : [route.Pool], .. route.Mirror is { } mirror ? [mirror.Pool] : Array.Empty<string>()];
}
