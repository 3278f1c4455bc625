namespace ProxyKit.Health;

/// <summary>The client of a pool's probes, made once a probe asks for it, and disposed of after the last probe that may use it.</summary>
internal sealed class ProbeClient(Func<HttpClient> make, bool isOwn)
{
    private static readonly TimeSpan LeastPing = TimeSpan.FromSeconds(1);

    private readonly Lazy<HttpClient> _client = new(make);
    private int _holders = 1; // whoever made it holds it as well, until it is retired

    public HttpClient Client => _client.Value;

    public void Hold() => Interlocked.Increment(ref _holders);

    public void Release()
    {
        if (Interlocked.Decrement(ref _holders) == 0 && isOwn && _client.IsValueCreated)
        {
            _client.Value.Dispose();
        }
    }

    /// <summary>The handler that probes go through unless a user brings another.</summary>
    public static SocketsHttpHandler NewHandler(Recipe recipe)
    {
        var handler = new SocketsHttpHandler
        {
            AllowAutoRedirect = false, // a redirect is an answer, and what it leads to is another server
            UseCookies = false,
            UseProxy = false,
            ActivityHeadersPropagator = null, // no span of HTTP for each probe
            ConnectTimeout = recipe.Timeout,
            PooledConnectionIdleTimeout = recipe.Longest + TimeSpan.FromSeconds(30), // or each probe would need a new connection
            PooledConnectionLifetime = TimeSpan.FromMinutes(5), // a new address of the same name is noticed
            KeepAlivePingDelay = LeastPing, // HTTP/2: one that went silent would else be asked for as long as TCP tries
            KeepAlivePingTimeout = recipe.Timeout > LeastPing ? recipe.Timeout : LeastPing,
            KeepAlivePingPolicy = HttpKeepAlivePingPolicy.WithActiveRequests,
            MaxResponseHeadersLength = 64,
            MaxResponseDrainSize = 64 * 1024,
        };
        if (recipe.AcceptsAnyCertificate)
        {
#pragma warning disable CA5359 // what DangerousAcceptAnyCertificate asks for, false by default
            handler.SslOptions.RemoteCertificateValidationCallback = static (_, _, _, _) => true;
#pragma warning restore CA5359
        }

        return handler;
    }

    /// <summary>What a handler is made by: while that is the same, so is the handler.</summary>
    /// <param name="Timeout">How long connecting may take.</param>
    /// <param name="Longest">The longest time between two probes.</param>
    /// <param name="AcceptsAnyCertificate">Whether certificates go unchecked.</param>
    public readonly record struct Recipe(TimeSpan Timeout, TimeSpan Longest, bool AcceptsAnyCertificate)
    {
        public static Recipe Of(Probing? probing)
        {
            var options = probing?.Options ?? new ProbeOptions();
            return new(
                options.Timeout,
                options.Interval > options.DownInterval ? options.Interval : options.DownInterval,
                probing?.Probe is HttpProbe { DangerousAcceptAnyCertificate: true } or GrpcProbe { DangerousAcceptAnyCertificate: true });
        }
    }
}

/// <summary>Says that the host has composed the client of a pool's probes.</summary>
/// <param name="pool">The pool's name.</param>
internal sealed class ProbeHttpClient(string pool)
{
    /// <summary>The name by which <see cref="IHttpClientFactory"/> knows it.</summary>
    public string Name { get; } = $"ProxyKit.{pool}.Probe";

    /// <summary>What its handler is made by, said before it is asked for.</summary>
    public ProbeClient.Recipe Recipe { get; set; } = ProbeClient.Recipe.Of(null);
}
