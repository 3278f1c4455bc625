using System.Diagnostics;

namespace ProxyKit.Forwarding;

/// <summary>The span of one attempt, named and tagged as an HTTP client's.</summary>
internal static class AttemptActivity
{
    /// <summary>Starts it and tells the destination of it, in place of what the client said of its own trace.</summary>
    public static Activity? Start(string method, string pool, Destination destination, int number, HttpRequestMessage request)
    {
        var activity = ForwardingMetrics.Source.StartActivity(method, ActivityKind.Client);
        if (activity is null)
        {
            return null;
        }

        activity.SetTag("http.request.method", method);
        activity.SetTag("server.address", destination.Address.Host);
        activity.SetTag("server.port", destination.Address.Port);
        activity.SetTag("proxykit.pool.name", pool);
        activity.SetTag("proxykit.destination.name", destination.Name);
        if (number > 1)
        {
            activity.SetTag("http.request.resend_count", number - 1);
        }

        DistributedContextPropagator.Current.Inject(activity, request, static (carrier, name, value) =>
        {
            var headers = ((HttpRequestMessage)carrier!).Headers;
            headers.Remove(name);
            headers.TryAddWithoutValidation(name, value);
        });
        return activity;
    }

    public static void Ended(this Activity activity, OutcomeKind kind, int? status, Exception? fault)
    {
        activity.SetTag("proxykit.attempt.outcome", ForwardingMetrics.Text(kind));
        if (status is { } code)
        {
            activity.SetTag("http.response.status_code", code);
        }

        if (fault is not null || status >= 500)
        {
            activity.SetTag("error.type", fault?.GetType().FullName ?? status!.Value.ToString(System.Globalization.CultureInfo.InvariantCulture));
            activity.SetStatus(ActivityStatusCode.Error);
        }
    }
}
