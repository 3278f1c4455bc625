using System.Globalization;
using System.Net;

namespace Failover;

/// <summary>A backend: Kestrel, and what a load asks for. It takes 'slow MS' on its standard input and stops at its end.</summary>
internal static class BackendProgram
{
    private static readonly SemaphoreSlim Speaking = new(1);

    /// <summary>The same on a bare socket, which 'swallow' makes a black hole: no server can be told to become one.</summary>
    public static async Task<int> RunScriptedAsync(string name)
    {
        var toLoad = Answers.ToLoad(name);
        await using var backend = ScriptedBackend.Start(Answers.At("/healthz", Answers.Ok(), async exchange =>
        {
            await SayAsync($"note {LoadCall.Of(exchange.Request.Target)?.Kind} {exchange.Request[LoadCall.IdField]}");
            await toLoad(exchange);
        }));
        await SayAsync(backend.Address.ToString());
        while (await Console.In.ReadLineAsync() is { } line)
        {
            if (line == "swallow")
            {
                await backend.SwallowAsync();
            }

            await SayAsync("done");
        }

        return 0;
    }

    public static async Task<int> RunAsync(string name, string port)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, int.Parse(port, CultureInfo.InvariantCulture)));
        await using var app = builder.Build();
        var wait = TimeSpan.Zero;
        app.MapGet("/healthz", () => app.Lifetime.ApplicationStopping.IsCancellationRequested ? Results.StatusCode(503) : Results.Ok());
        app.Map("/load/{**rest}", context => AnswerAsync(context, name, wait));
        await app.StartAsync();
        await SayAsync(app.Urls.Single());
        _ = Task.Run(async () =>
        {
            while (await Console.In.ReadLineAsync() is { } line)
            {
                wait = TimeSpan.FromMilliseconds(double.Parse(line.Split(' ')[1], CultureInfo.InvariantCulture));
                await SayAsync("done");
            }

            app.Lifetime.StopApplication();
        });
        await app.WaitForShutdownAsync();
        return 0;
    }

    private static async Task AnswerAsync(HttpContext context, string name, TimeSpan wait)
    {
        if (LoadCall.Of(context.Request.Path.Value!) is not { } call)
        {
            context.Response.StatusCode = StatusCodes.Status404NotFound;
            return;
        }

        // Said before it is answered: what a process that is killed had got must be known.
        await SayAsync($"note {call.Kind} {context.Request.Headers[LoadCall.IdField]}");
        if (call.Kind == LoadKind.Post)
        {
            var body = new byte[call.Bytes + 1];
            var count = await context.Request.Body.ReadAtLeastAsync(body, body.Length, throwOnEndOfStream: false, context.RequestAborted);
            if (count != call.Bytes || !call.Matches(0, body.AsSpan(0, count)))
            {
                context.Response.StatusCode = StatusCodes.Status400BadRequest;
                return;
            }
        }

        if (wait > TimeSpan.Zero)
        {
            await Task.Delay(wait, TimeProvider.System, context.RequestAborted);
        }

        var response = context.Response;
        response.ContentLength = call.AnswerBytes;
        response.Headers[LoadCall.ServerField] = name;
        for (var sent = 0; sent < call.AnswerBytes;)
        {
            var length = Math.Min(64 * 1024, call.AnswerBytes - sent);
            call.Fill(sent, response.BodyWriter.GetSpan(length)[..length]);
            response.BodyWriter.Advance(length);
            await response.BodyWriter.FlushAsync(context.RequestAborted);
            sent += length;
        }
    }

    private static async Task SayAsync(string line)
    {
        await Speaking.WaitAsync();
        try
        {
            await Console.Out.WriteLineAsync(line);
        }
        finally
        {
            Speaking.Release();
        }
    }
}
