using Microsoft.Net.Http.Headers;

namespace ProxyKit.Forwarding;

/// <summary>Judges a destination's answer before it is relayed.</summary>
internal static class ResponseRule
{
    /// <summary>What is wrong with the answer's framing; null where nothing is. The handler lets several lengths pass.</summary>
    public static string? Fault(HttpResponseMessage response)
    {
        if (!response.Content.Headers.NonValidated.TryGetValues(HeaderNames.ContentLength, out var lengths))
        {
            return null;
        }

        if (response.Headers.NonValidated.Contains(HeaderNames.TransferEncoding))
        {
            return "The response has Transfer-Encoding and Content-Length.";
        }

        if (lengths.Count == 1)
        {
            foreach (var digit in lengths.ToString())
            {
                if (!char.IsAsciiDigit(digit))
                {
                    return "The response's Content-Length is no number.";
                }
            }

            return null;
        }

        return "The response has several Content-Length fields.";
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
