using System.Text.Json;
using System.Text.Json.Serialization;

using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;
using Microsoft.Extensions.DependencyInjection;

namespace ProxyKit.Forwarding;

/// <summary>What the gateway itself has to say: a status and a problem (RFC 9457), never an exception page, and never who stands behind it.</summary>
internal static class Problem
{
    /// <summary>Writes it as the whole response; does nothing where a response has begun.</summary>
    public static async Task WriteAsync(HttpContext context, int status, string detail, TimeoutKind timeout = TimeoutKind.None, TimeSpan? retryAfter = null, bool close = false)
    {
        if (context.Response.HasStarted)
        {
            return;
        }

        context.Response.Clear();
        context.Response.StatusCode = status;
        context.Response.Headers.CacheControl = "no-store";
        if (context.RequestServices?.GetService<GatewayLifetime>() is { IsLeaving: true })
        {
            Farewell.Say(context);
        }

        if (close && HttpProtocol.IsHttp11(context.Request.Protocol))
        {
            context.Response.Headers.Connection = "close"; // where the request ends is in doubt, and with it where the next one begins
        }

        if (status == StatusCodes.Status405MethodNotAllowed)
        {
            context.Response.Headers.Allow = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"; // RFC 9110 §15.5.6
        }

        if (retryAfter is { } after)
        {
            context.Response.Headers.RetryAfter = ((long)Math.Ceiling(after.TotalSeconds)).ToString(System.Globalization.CultureInfo.InvariantCulture);
        }

        var problem = new ProblemDetails { Status = status, Title = Title(status), Detail = detail, Type = Section(status) };
        if (timeout != TimeoutKind.None)
        {
            problem.Extensions["timeout"] = timeout.ToString();
        }

        if (HttpMethods.IsHead(context.Request.Method))
        {
            return;
        }

        // The host's own way of writing problems wins, where it has one.
        if (context.RequestServices?.GetService<IProblemDetailsService>() is { } service
            && await service.TryWriteAsync(new ProblemDetailsContext { HttpContext = context, ProblemDetails = problem }))
        {
            return;
        }

        await context.Response.WriteAsJsonAsync(problem, ProblemJson.Default.ProblemDetails, "application/problem+json", CancellationToken.None);
    }

    private static string Title(int status) => status switch
    {
        400 => "Bad Request",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        413 => "Content Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "Error",
    };

    private static string Section(int status) => status switch
    {
        400 => "https://www.rfc-editor.org/rfc/rfc9110#section-15.5.1",
        405 => "https://www.rfc-editor.org/rfc/rfc9110#section-15.5.6",
        408 => "https://www.rfc-editor.org/rfc/rfc9110#section-15.5.9",
        413 => "https://www.rfc-editor.org/rfc/rfc9110#section-15.5.14",
        500 => "https://www.rfc-editor.org/rfc/rfc9110#section-15.6.1",
        501 => "https://www.rfc-editor.org/rfc/rfc9110#section-15.6.2",
        502 => "https://www.rfc-editor.org/rfc/rfc9110#section-15.6.3",
        503 => "https://www.rfc-editor.org/rfc/rfc9110#section-15.6.4",
        504 => "https://www.rfc-editor.org/rfc/rfc9110#section-15.6.5",
        _ => "about:blank",
    };
}

[JsonSerializable(typeof(ProblemDetails))]
[JsonSerializable(typeof(string))]
[JsonSourceGenerationOptions(JsonSerializerDefaults.Web, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
internal sealed partial class ProblemJson : JsonSerializerContext;
