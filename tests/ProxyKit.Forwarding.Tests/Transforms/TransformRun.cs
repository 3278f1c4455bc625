using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Routing;

namespace ProxyKit.Forwarding.Tests;

/// <summary>A route that only gathers its transforms.</summary>
internal sealed class GatheredRoute : ITransformBuilder
{
    public List<IRequestTransform> Requests { get; } = [];

    public List<IResponseTransform> Responses { get; } = [];

    public void Add(IRequestTransform transform) => Requests.Add(transform);

    public void Add(IResponseTransform transform) => Responses.Add(transform);
}

/// <summary>Applies transforms to a request or response made for it.</summary>
internal static class TransformRun
{
    public static readonly Destination Backend = new("b", new Uri("http://backend:5000/base"));

    public static RequestTransformContext Request(IRequestTransform transform, string path = "/", string query = "", RouteValueDictionary? values = null, string? rawTarget = null)
    {
        var http = new DefaultHttpContext();
        http.Request.RouteValues = values ?? [];
        http.Features.Get<IHttpRequestFeature>()!.RawTarget = rawTarget ?? path + query;
        var context = new RequestTransformContext
        {
            HttpContext = http,
            Request = new HttpRequestMessage(HttpMethod.Get, (Uri?)null),
            Destination = Backend,
            Path = path,
            Query = query,
        };
        return Applied(transform, context);
    }

    public static RequestTransformContext Applied(IRequestTransform transform, RequestTransformContext context)
    {
        var applied = transform.ApplyAsync(context, CancellationToken.None).AsTask();
        Assert.True(applied.IsCompleted);
        applied.GetAwaiter().GetResult();
        return context;
    }

    public static IHeaderDictionary Response(IResponseTransform transform, params (string Name, string Value)[] headers)
    {
        var http = Requests.From("203.0.113.9");
        foreach (var (name, value) in headers)
        {
            http.Response.Headers.Append(name, value);
        }

        var context = new ResponseTransformContext { HttpContext = http, Response = new HttpResponseMessage(), Destination = Backend };
        Assert.True(transform.ApplyAsync(context, CancellationToken.None).AsTask().IsCompletedSuccessfully);
        return http.Response.Headers;
    }
}
