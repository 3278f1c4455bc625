using Microsoft.AspNetCore.Http;

namespace ProxyKit.Forwarding;

/// <summary>Adds transforms to a route, judged at once; they are applied in the order of adding.</summary>
public static class TransformExtensions
{
    /// <summary>Takes <paramref name="prefix"/> off the path. See <see cref="Forwarding.RemovePrefix"/>.</summary>
    public static TBuilder RemovePrefix<TBuilder>(this TBuilder builder, string prefix)
        where TBuilder : ITransformBuilder => builder.With(new RemovePrefix(prefix));

    /// <summary>Puts <paramref name="prefix"/> before the path. See <see cref="Forwarding.AddPrefix"/>.</summary>
    public static TBuilder AddPrefix<TBuilder>(this TBuilder builder, string prefix)
        where TBuilder : ITransformBuilder => builder.With(new AddPrefix(prefix));

    /// <summary>Sends every request to <paramref name="path"/>. See <see cref="Forwarding.SetPath"/>.</summary>
    public static TBuilder SetPath<TBuilder>(this TBuilder builder, string path)
        where TBuilder : ITransformBuilder => builder.With(new SetPath(path));

    /// <summary>Builds the path from the route's values, by a pattern such as <c>/v2/{id}/{**rest}</c>. See <see cref="Forwarding.PathPattern"/>.</summary>
    public static TBuilder PathPattern<TBuilder>(this TBuilder builder, string pattern)
        where TBuilder : ITransformBuilder => builder.With(new PathPattern(pattern));

    /// <summary>Rewrites the path by a regular expression. See <see cref="Forwarding.PathRegex"/>.</summary>
    public static TBuilder PathRegex<TBuilder>(this TBuilder builder, string pattern, string replacement)
        where TBuilder : ITransformBuilder => builder.With(new PathRegex(pattern, replacement));

    /// <summary>Sets a parameter of the query. See <see cref="Forwarding.SetQuery"/>.</summary>
    public static TBuilder SetQuery<TBuilder>(this TBuilder builder, string name, string value)
        where TBuilder : ITransformBuilder => builder.With(new SetQuery(name, value));

    /// <summary>Adds a parameter to the query. See <see cref="Forwarding.AppendQuery"/>.</summary>
    public static TBuilder AppendQuery<TBuilder>(this TBuilder builder, string name, string value)
        where TBuilder : ITransformBuilder => builder.With(new AppendQuery(name, value));

    /// <summary>Takes a parameter out of the query. See <see cref="Forwarding.RemoveQuery"/>.</summary>
    public static TBuilder RemoveQuery<TBuilder>(this TBuilder builder, string name)
        where TBuilder : ITransformBuilder => builder.With(new RemoveQuery(name));

    /// <summary>Takes all parameters out of the query but those named. See <see cref="Forwarding.KeepQuery"/>.</summary>
    public static TBuilder KeepQuery<TBuilder>(this TBuilder builder, params IEnumerable<string> names)
        where TBuilder : ITransformBuilder => builder.With(new KeepQuery(names));

    /// <summary>Sets a field of the request. See <see cref="Forwarding.SetRequestHeader"/>.</summary>
    public static TBuilder SetRequestHeader<TBuilder>(this TBuilder builder, string name, string value)
        where TBuilder : ITransformBuilder => builder.With(new SetRequestHeader(name, value));

    /// <summary>Adds a value to a field of the request. See <see cref="Forwarding.AppendRequestHeader"/>.</summary>
    public static TBuilder AppendRequestHeader<TBuilder>(this TBuilder builder, string name, string value)
        where TBuilder : ITransformBuilder => builder.With(new AppendRequestHeader(name, value));

    /// <summary>Takes a field out of the request. See <see cref="Forwarding.RemoveRequestHeader"/>.</summary>
    public static TBuilder RemoveRequestHeader<TBuilder>(this TBuilder builder, string name)
        where TBuilder : ITransformBuilder => builder.With(new RemoveRequestHeader(name));

    /// <summary>Sets a field of the response. See <see cref="Forwarding.SetResponseHeader"/>.</summary>
    public static TBuilder SetResponseHeader<TBuilder>(this TBuilder builder, string name, string value)
        where TBuilder : ITransformBuilder => builder.WithAnswer(new SetResponseHeader(name, value));

    /// <summary>Adds a value to a field of the response. See <see cref="Forwarding.AppendResponseHeader"/>.</summary>
    public static TBuilder AppendResponseHeader<TBuilder>(this TBuilder builder, string name, string value)
        where TBuilder : ITransformBuilder => builder.WithAnswer(new AppendResponseHeader(name, value));

    /// <summary>Takes a field out of the response. See <see cref="Forwarding.RemoveResponseHeader"/>.</summary>
    public static TBuilder RemoveResponseHeader<TBuilder>(this TBuilder builder, string name)
        where TBuilder : ITransformBuilder => builder.WithAnswer(new RemoveResponseHeader(name));

    /// <summary>Sets the <c>Authorization</c> that destinations see. See <see cref="Forwarding.BackendAuthorization"/>.</summary>
    public static TBuilder BackendAuthorization<TBuilder>(this TBuilder builder, string scheme, string parameter)
        where TBuilder : ITransformBuilder => builder.With(new BackendAuthorization(scheme, parameter));

    /// <summary>Finds the <c>Authorization</c> that a destination sees, for each attempt. See <see cref="Forwarding.BackendAuthorization"/>.</summary>
    public static TBuilder BackendAuthorization<TBuilder>(this TBuilder builder, Func<HttpContext, CancellationToken, ValueTask<string?>> find)
        where TBuilder : ITransformBuilder
    {
        ArgumentNullException.ThrowIfNull(find);
        return builder.With(new BackendAuthorization(find));
    }

    /// <summary>Turns redirects to a destination's own address back into ones that a client can follow. See <see cref="Forwarding.RewriteLocation"/>.</summary>
    public static TBuilder RewriteLocation<TBuilder>(this TBuilder builder, string publicPath = "/", string backendPath = "/")
        where TBuilder : ITransformBuilder => builder.WithAnswer(new RewriteLocation(publicPath, backendPath));

    /// <summary>Makes cookies of a destination fit the address that clients know. See <see cref="Forwarding.RewriteCookies"/>.</summary>
    public static TBuilder RewriteCookies<TBuilder>(this TBuilder builder, string publicPath = "/", string backendPath = "/")
        where TBuilder : ITransformBuilder => builder.WithAnswer(new RewriteCookies(publicPath, backendPath));

    /// <summary>Changes requests by <paramref name="change"/>.</summary>
    public static TBuilder TransformRequest<TBuilder>(this TBuilder builder, Func<RequestTransformContext, CancellationToken, ValueTask> change)
        where TBuilder : ITransformBuilder
    {
        ArgumentNullException.ThrowIfNull(change);
        builder.Add(new RequestChange(change));
        return builder;
    }

    /// <summary>Changes requests by <paramref name="change"/>, which waits for nothing.</summary>
    public static TBuilder TransformRequest<TBuilder>(this TBuilder builder, Action<RequestTransformContext> change)
        where TBuilder : ITransformBuilder
    {
        ArgumentNullException.ThrowIfNull(change);
        return builder.TransformRequest((context, _) =>
        {
            change(context);
            return ValueTask.CompletedTask;
        });
    }

    /// <summary>Changes responses by <paramref name="change"/>.</summary>
    public static TBuilder TransformResponse<TBuilder>(this TBuilder builder, Func<ResponseTransformContext, CancellationToken, ValueTask> change)
        where TBuilder : ITransformBuilder
    {
        ArgumentNullException.ThrowIfNull(change);
        builder.Add(new ResponseChange(change));
        return builder;
    }

    /// <summary>Changes responses by <paramref name="change"/>, which waits for nothing.</summary>
    public static TBuilder TransformResponse<TBuilder>(this TBuilder builder, Action<ResponseTransformContext> change)
        where TBuilder : ITransformBuilder
    {
        ArgumentNullException.ThrowIfNull(change);
        return builder.TransformResponse((context, _) =>
        {
            change(context);
            return ValueTask.CompletedTask;
        });
    }

    private static TBuilder With<TBuilder, T>(this TBuilder builder, T transform)
        where TBuilder : ITransformBuilder
        where T : IRequestTransform, IValidatable
    {
        builder.Add(transform.Valid());
        return builder;
    }

    private static TBuilder WithAnswer<TBuilder, T>(this TBuilder builder, T transform)
        where TBuilder : ITransformBuilder
        where T : IResponseTransform, IValidatable
    {
        builder.Add(transform.Valid());
        return builder;
    }

    private sealed class RequestChange(Func<RequestTransformContext, CancellationToken, ValueTask> change) : IRequestTransform
    {
        public ValueTask ApplyAsync(RequestTransformContext context, CancellationToken cancellationToken) => change(context, cancellationToken);
    }

    private sealed class ResponseChange(Func<ResponseTransformContext, CancellationToken, ValueTask> change) : IResponseTransform
    {
        public ValueTask ApplyAsync(ResponseTransformContext context, CancellationToken cancellationToken) => change(context, cancellationToken);
    }
}
