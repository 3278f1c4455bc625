namespace ProxyKit.Balancing;

/// <summary>The request as one member gets it.</summary>
internal static class Attempt
{
    /// <summary>A copy of <paramref name="request"/> to the destination's authority, below its base path. It shares the content, so it is not to be disposed.</summary>
    public static HttpRequestMessage Of(HttpRequestMessage request, Destination destination, bool useDestinationHost)
    {
        var asked = request.RequestUri is { IsAbsoluteUri: true } uri
            ? uri
            : throw new InvalidOperationException($"The request's URI is '{request.RequestUri}'; it must be absolute, with the pool's name or any other for its host, such as 'http://orders/1'.");
        var attempt = new HttpRequestMessage(request.Method, Below(destination.Address, asked))
        {
            Version = request.Version,
            VersionPolicy = request.VersionPolicy,
            Content = request.Content,
        };
        foreach (var header in request.Headers.NonValidated)
        {
            attempt.Headers.TryAddWithoutValidation(header.Key, header.Value);
        }

        foreach (var option in request.Options)
        {
            ((IDictionary<string, object?>)attempt.Options)[option.Key] = option.Value;
        }

        // The TLS server name follows Host.
        attempt.Headers.Host = destination.Host ?? (useDestinationHost ? null : request.Headers.Host ?? asked.Authority);
        return attempt;
    }

    private static Uri Below(Uri address, Uri asked) =>
        new(string.Concat(address.GetLeftPart(UriPartial.Authority), address.AbsolutePath.TrimEnd('/'), asked.PathAndQuery));
}
