using System.Buffers;
using System.Net;
using System.Text.RegularExpressions;

namespace ProxyKit.Health;

/// <summary>Asks over HTTP, and judges by the answer's status, its body and what it says of its state (<see cref="StateHeaderOptions"/>).</summary>
/// <remarks>Redirects are not followed. It goes through the pool's <see cref="ProbeContext.Client"/>.</remarks>
public sealed class HttpProbe : IProbe, IValidatable, ICopyable<HttpProbe>
{
    internal const string UserAgent = "ProxyKit-Probe";

    private static readonly TimeSpan MatchTimeout = TimeSpan.FromSeconds(1);

    // RFC 9110 §5.6.2
    private static readonly SearchValues<char> Token =
        SearchValues.Create("!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz");

    private Regex? _pattern;

    /// <summary>Asks for <c>/</c>.</summary>
    public HttpProbe()
    {
    }

    /// <summary>Asks for <paramref name="path"/>.</summary>
    public HttpProbe(string path) => Path = path;

    /// <summary>What is asked for, below the path of the destination's address; a query may follow. The default is <c>/</c>.</summary>
    public string Path { get; set; } = "/";

    /// <summary>The method. The default is <c>GET</c>.</summary>
    public string Method { get; set; } = "GET";

    /// <summary>Fields of the request. The default is none but <c>User-Agent: ProxyKit-Probe</c>.</summary>
    public IDictionary<string, string> Headers { get; set; } = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase);

    /// <summary>What the <c>Host</c> field and the TLS server name say; null, the default, leaves it to <see cref="Destination.Host"/> and then to the address.</summary>
    public string? Host { get; set; }

    /// <summary>Statuses of a healthy answer: numbers and ranges, such as <c>200-299,304</c>. The default is <c>200-299</c>.</summary>
    public string Statuses { get; set; } = "200-299";

    /// <summary>Statuses by which a destination says that it is about to leave, such as <c>404</c> where a file is taken away for that; null, the default, for none.</summary>
    public string? DrainingStatuses { get; set; }

    /// <summary>What a healthy answer's body contains; null, the default, for anything.</summary>
    public string? BodyContains { get; set; }

    /// <summary>A regular expression that a healthy answer's body matches somewhere, without look-arounds and back references; null, the default, for anything.</summary>
    public string? BodyMatches { get; set; }

    /// <summary>Whether a body is a healthy answer's; null, the default, for any. From code only.</summary>
    public Predicate<string>? BodySatisfies { get; init; }

    /// <summary>How much of a body is read, in bytes: it is judged by that, and what comes after is not waited for. The default is 64 KiB.</summary>
    public int MaxBodyBytes { get; set; } = 64 * 1024;

    /// <summary>The version of HTTP. The default is <see cref="HttpProbeProtocol.Auto"/>.</summary>
    public HttpProbeProtocol Protocol { get; set; }

    /// <summary>The port; 0, the default, is the destination's own.</summary>
    public int Port { get; set; }

    /// <summary>The scheme, <c>http</c> or <c>https</c>; null, the default, is the destination's own.</summary>
    public string? Scheme { get; set; }

    /// <summary>Whether certificates go unchecked: for tests only. The default is false. A client that you compose has its own say.</summary>
    public bool DangerousAcceptAnyCertificate { get; set; }

    /// <inheritdoc/>
    public async ValueTask<ProbeResult> ProbeAsync(ProbeContext context, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(context);
        using var request = NewRequest(context.Destination);
        using var response = await context.Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
        var status = (int)response.StatusCode;
        var said = StateOf(response, context.StateHeader);
        if (said == Availability.Down)
        {
            return ProbeResult.Down("it says that it is down");
        }

        if (said == Availability.Draining)
        {
            return ProbeResult.Draining("it says that it is draining");
        }

        if (DrainingStatuses is { } draining && StatusSet.Contains(draining, status))
        {
            return ProbeResult.Draining($"answered {status}");
        }

        if (!StatusSet.Contains(Statuses, status))
        {
            return ProbeResult.Unhealthy($"answered {status}");
        }

        // Read even where nobody looks at it: an answer that breaks off is none, and the connection serves again.
        using var body = await ProbeBody.ReadAsync(response.Content, MaxBodyBytes, cancellationToken);
        return BodyFault(body) is { } fault ? ProbeResult.Unhealthy($"answered {status}, {fault}")
            : said == Availability.Degraded ? ProbeResult.Degraded("it says that it is degraded")
            : ProbeResult.Healthy;
    }

    /// <inheritdoc/>
    public HttpProbe Copy()
    {
        var copy = (HttpProbe)MemberwiseClone();
        copy.Headers = new Dictionary<string, string>(Headers, StringComparer.OrdinalIgnoreCase);
        return copy;
    }

    /// <inheritdoc/>
    public IEnumerable<string> Faults()
    {
        if (Path is not ['/', ..] || Path.AsSpan().ContainsAny(' ', '#') || Path.Any(char.IsControl))
        {
            yield return $"{nameof(Path)} is '{Path}'; it must begin with a slash, such as '/healthz'.";
        }

        if (string.IsNullOrEmpty(Method) || Method.AsSpan().ContainsAnyExcept(Token) || Method.Equals("CONNECT", StringComparison.OrdinalIgnoreCase))
        {
            yield return $"{nameof(Method)} is '{Method}'; it must be a method, such as 'GET' or 'HEAD'.";
        }

        foreach (var (name, value) in Headers)
        {
            if (name.Equals("Host", StringComparison.OrdinalIgnoreCase))
            {
                yield return $"{nameof(Headers)} has '{name}'; set {nameof(Host)} instead.";
            }
            else if (name.Length == 0 || name.AsSpan().ContainsAnyExcept(Token) || value is null || value.Any(letter => char.IsControl(letter) && letter != '\t') || !CanCarry(name, value))
            {
                yield return $"{nameof(Headers)} has '{name}: {value}'; that is no field of a request without a body.";
            }
        }

        if (!StatusSet.IsValid(Statuses))
        {
            yield return $"{nameof(Statuses)} is '{Statuses}'; write numbers and ranges from 200 to 599, such as '200-299,304'.";
        }

        if (DrainingStatuses is not null && !StatusSet.IsValid(DrainingStatuses))
        {
            yield return $"{nameof(DrainingStatuses)} is '{DrainingStatuses}'; write numbers and ranges from 200 to 599, such as '404'.";
        }

        if (BodyMatches is not null && PatternFault(BodyMatches) is { } fault)
        {
            yield return $"{nameof(BodyMatches)} is '{BodyMatches}'; it must be a regular expression without look-arounds and back references. {fault}";
        }

        if (MaxBodyBytes is < 1 or > 16 * 1024 * 1024)
        {
            yield return $"{nameof(MaxBodyBytes)} is {MaxBodyBytes}; it must be 1 to 16 MiB.";
        }

        if (!Enum.IsDefined(Protocol))
        {
            yield return $"{nameof(Protocol)} is {Protocol}; it must be one of {string.Join(", ", Enum.GetNames<HttpProbeProtocol>())}.";
        }

        foreach (var other in ProbeAddress.Faults(Port, Scheme))
        {
            yield return other;
        }
    }

    private HttpRequestMessage NewRequest(Destination destination)
    {
        var request = new HttpRequestMessage(HttpMethod.Parse(Method), ProbeAddress.Of(destination, Path, Scheme, Port));
        (request.Version, request.VersionPolicy) = Protocol switch
        {
            HttpProbeProtocol.Http1 => (HttpVersion.Version11, HttpVersionPolicy.RequestVersionExact),
            HttpProbeProtocol.Http2 => (HttpVersion.Version20, HttpVersionPolicy.RequestVersionExact),
            _ => (request.RequestUri!.Scheme == Uri.UriSchemeHttps ? HttpVersion.Version20 : HttpVersion.Version11, HttpVersionPolicy.RequestVersionOrLower),
        };
        request.Headers.Host = Host ?? destination.Host;
        foreach (var (name, value) in Headers)
        {
            request.Headers.TryAddWithoutValidation(name, value);
        }

        if (!request.Headers.NonValidated.Contains("User-Agent"))
        {
            request.Headers.TryAddWithoutValidation("User-Agent", UserAgent);
        }

        return request;
    }

    private static bool CanCarry(string name, string value)
    {
        using var request = new HttpRequestMessage();
        return request.Headers.TryAddWithoutValidation(name, value);
    }

    private static Availability? StateOf(HttpResponseMessage response, StateHeaderOptions? header)
    {
        if (header is null || !response.Headers.NonValidated.TryGetValues(header.Name, out var values))
        {
            return null;
        }

        Availability? worst = null;
        foreach (var value in values)
        {
            worst = StateHeaderOptions.Read(value) is { } read && (worst is null || read > worst) ? read : worst;
        }

        return worst;
    }

    private string? BodyFault(in ProbeBody body)
    {
        if (BodyContains is null && BodyMatches is null && BodySatisfies is null)
        {
            return null;
        }

        var text = body.Text;
        if (BodyContains is not null && !text.Contains(BodyContains, StringComparison.Ordinal))
        {
            return $"its body does not contain '{BodyContains}'";
        }

        try
        {
            if (BodyMatches is not null && !Pattern(BodyMatches).IsMatch(text))
            {
                return $"its body does not match '{BodyMatches}'";
            }
        }
        catch (RegexMatchTimeoutException)
        {
            return $"its body could not be matched in {MatchTimeout.TotalSeconds} s";
        }

        return BodySatisfies is null || BodySatisfies(text) ? null : "its body is not what it should be";
    }

    // Costs time to make, so it is kept for as long as it is the same.
    private Regex Pattern(string pattern) =>
        _pattern is { } made && made.ToString() == pattern ? made : _pattern = new Regex(pattern, RegexOptions.NonBacktracking | RegexOptions.CultureInvariant, MatchTimeout);

    private static string? PatternFault(string pattern)
    {
        try
        {
            _ = new Regex(pattern, RegexOptions.NonBacktracking | RegexOptions.CultureInvariant, MatchTimeout);
            return null;
        }
        catch (Exception fault) when (fault is ArgumentException or NotSupportedException)
        {
            return fault.Message;
        }
    }
}

/// <summary>The version of HTTP that a probe speaks.</summary>
public enum HttpProbeProtocol
{
    /// <summary>What TLS negotiates on <c>https</c>, HTTP/1.1 on <c>http</c>.</summary>
    Auto,

    /// <summary>HTTP/1.1 always.</summary>
    Http1,

    /// <summary>HTTP/2 always, on <c>http</c> with prior knowledge (RFC 9113 §3.3).</summary>
    Http2,
}
