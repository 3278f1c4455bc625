using System.Globalization;

namespace ProxyKit.FailureMatrix.Host;

/// <summary>Answers a load, and worse when told so.</summary>
internal sealed class Backend(string name, CancellationToken stopping)
{
    private static readonly SemaphoreSlim Speaking = new(1);

    private TimeSpan _wait;
    private int _status = 200;
    private int _health = 200;
    private double _share;
    private long _turn;

    public static async Task SayAsync(string line)
    {
        await Speaking.WaitAsync();
        try
        {
            await Console.Out.WriteLineAsync(line); // flushed line by line
        }
        finally
        {
            Speaking.Release();
        }
    }

    public void Told(string[] words)
    {
        switch (words)
        {
            case ["slow", var milliseconds]:
                _wait = TimeSpan.FromMilliseconds(Number(milliseconds));
                break;
            case ["status", var code, var share]:
                (_status, _share) = ((int)Number(code), Number(share));
                break;
            case ["health", var code]:
                _health = (int)Number(code);
                break;
            default:
                throw new ArgumentException($"'{string.Join(' ', words)}' is nothing that can be told; see Program.cs.");
        }
    }

    public async Task AnswerAsync(HttpContext context)
    {
        if (context.Request.Path == "/healthz")
        {
            context.Response.StatusCode = stopping.IsCancellationRequested ? StatusCodes.Status503ServiceUnavailable : _health;
            return;
        }

        if (LoadCall.Of(context.Request.Path.Value!) is not { } call)
        {
            context.Response.StatusCode = StatusCodes.Status404NotFound;
            return;
        }

        await SayAsync($"delivered {call.Kind} {context.Request.Headers[LoadCall.IdField]}");
        if (call.Kind == LoadKind.Post && !await IsWholeAsync(context.Request, call))
        {
            context.Response.StatusCode = StatusCodes.Status400BadRequest;
            return;
        }

        if (_wait > TimeSpan.Zero)
        {
            await Task.Delay(_wait, TimeProvider.System, context.RequestAborted);
        }

        if (_share > 0 && Interlocked.Increment(ref _turn) is var turn && Math.Floor(turn * _share) > Math.Floor((turn - 1) * _share))
        {
            context.Response.StatusCode = _status;
            return;
        }

        await SendAsync(context.Response, call);
    }

    private static double Number(string text) => double.Parse(text, CultureInfo.InvariantCulture);

    private static async Task<bool> IsWholeAsync(HttpRequest request, LoadCall call)
    {
        var (count, whole) = (0L, true);
        while (await request.BodyReader.ReadAsync(request.HttpContext.RequestAborted) is var read)
        {
            foreach (var part in read.Buffer)
            {
                whole &= call.Matches(count, part.Span);
                count += part.Length;
            }

            request.BodyReader.AdvanceTo(read.Buffer.End);
            if (read.IsCompleted)
            {
                break;
            }
        }

        return whole && count == call.Bytes;
    }

    private async Task SendAsync(HttpResponse response, LoadCall call)
    {
        response.ContentLength = call.AnswerBytes;
        response.Headers[LoadCall.ServerField] = name;
        response.Headers.CacheControl = "no-store";
        for (var sent = 0; sent < call.AnswerBytes;)
        {
            var length = Math.Min(64 * 1024, call.AnswerBytes - sent);
            call.Fill(sent, response.BodyWriter.GetSpan(length)[..length]);
            response.BodyWriter.Advance(length);
            await response.BodyWriter.FlushAsync(response.HttpContext.RequestAborted);
            sent += length;
        }
    }
}
