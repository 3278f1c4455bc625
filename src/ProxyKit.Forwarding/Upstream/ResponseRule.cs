using System.Globalization;

using Microsoft.Net.Http.Headers;

namespace ProxyKit.Forwarding;

/// <summary>Judges a destination's answer before it is relayed.</summary>
internal static class ResponseRule
{
    /// <summary>What is wrong with the answer's status or framing; null where nothing is. The handler lets several lengths pass, and takes codings it does not know for none.</summary>
    /// <param name="response">The answer.</param>
    /// <param name="upgrades">Whether the request asked to leave HTTP, so that 101 may be the answer.</param>
    public static string? Fault(HttpResponseMessage response, bool upgrades)
    {
        var status = (int)response.StatusCode;
        if (status < 200 && !(upgrades && status == 101))
        {
            return $"The response's status is {status}, which ends no exchange.";
        }

        if (response.Headers.NonValidated.TryGetValues(HeaderNames.TransferEncoding, out var coding) && !coding.ToString().Equals("chunked", StringComparison.OrdinalIgnoreCase))
        {
            return "The response has a Transfer-Encoding other than 'chunked' alone.";
        }

        if (!response.Content.Headers.NonValidated.TryGetValues(HeaderNames.ContentLength, out var lengths))
        {
            return null;
        }

        if (coding.Count > 0)
        {
            return "The response has Transfer-Encoding and Content-Length.";
        }

        if (lengths.Count > 1)
        {
            return "The response has several Content-Length fields.";
        }

        // A length that the handler cannot read it takes for none, and reads on to the connection's end.
        return long.TryParse(lengths.ToString(), NumberStyles.None, CultureInfo.InvariantCulture, out _) ? null : "The response's Content-Length is no number.";
    }

    /// <summary>How the destination says that it stands, and takes that out of the answer: it is not for clients.</summary>
    public static Availability? Reported(HttpResponseMessage response, string field)
    {
        if (!response.Headers.NonValidated.TryGetValues(field, out var values))
        {
            return null;
        }

        var reported = values.Count == 1 ? StateHeaderOptions.Read(values.ToString()) : null;
        response.Headers.Remove(field);
        return reported;
    }

    /// <summary>How long the destination asked to be left alone, at most as long as the options allow; null where it did not.</summary>
    public static TimeSpan? RetryAfter(HttpResponseMessage response, RetryOptions options, TimeProvider time)
    {
        if (options.MaxRetryAfter == TimeSpan.Zero || response.Headers.RetryAfter is not { } field)
        {
            return null;
        }

        var asked = field.Delta ?? (field.Date - time.GetUtcNow());
        return asked is not { Ticks: > 0 } ? null : asked < options.MaxRetryAfter ? asked : options.MaxRetryAfter;
    }
}
