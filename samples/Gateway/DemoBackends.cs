namespace Gateway;

/// <summary>Three small servers in this process, so that the sample needs nothing else.</summary>
internal sealed class DemoBackends : IAsyncDisposable
{
    private readonly List<WebApplication> _servers = [];

    public string[] Addresses => [.. _servers.SelectMany(server => server.Urls)];

    public static async Task<DemoBackends> StartAsync(int count = 3)
    {
        var backends = new DemoBackends();
        for (var i = 1; i <= count; i++)
        {
            backends._servers.Add(await StartOneAsync($"backend-{i}"));
        }

        return backends;
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var server in _servers)
        {
            await server.DisposeAsync();
        }
    }

    private static async Task<WebApplication> StartOneAsync(string name)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        var app = builder.Build();
        app.MapGet("/slow", async (CancellationToken cancellationToken) =>
        {
            await Task.Delay(TimeSpan.FromSeconds(1), TimeProvider.System, cancellationToken);
            return $"{name} took its time\n";
        });
        app.MapPost("/{**path}", async (HttpRequest request) =>
        {
            using var reader = new StreamReader(request.Body);
            var body = await reader.ReadToEndAsync();
            return $"{name} read {body.Length} characters\n";
        });
        app.MapFallback((HttpRequest request) => $"{name} served {request.Method} {request.Path}{request.QueryString} for {request.Headers["X-Forwarded-For"]}\n");
        await app.StartAsync();
        return app;
    }
}
