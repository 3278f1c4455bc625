using System.Net;

using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;

namespace ProxyKit.Gateway.Tests;

/// <summary>Bodies pass through; they are not held.</summary>
public sealed class LargeBodyTests
{
    private const long Size = 4L * 1024 * 1024 * 1024;
    private const long Bound = 200L * 1024 * 1024;

    [Fact]
    public async Task Four_gigabytes_each_way_leave_the_gateway_small()
    {
        await using var backend = await KestrelBackend.StartAsync(app =>
        {
            app.MapGet("/large", context => SendAsync(context.Response));
            app.MapPut("/large", async context => await context.Response.WriteAsync($"{await CountAsync(context.Request.Body, context.RequestAborted)}"));
        });
        await using var gateway = await GatewayProcess.StartAsync(backend.Address);
        using var client = new HttpClient { BaseAddress = gateway.Address, Timeout = TimeSpan.FromMinutes(3) };

        using (var down = await client.GetAsync(new Uri("/large", UriKind.Relative), HttpCompletionOption.ResponseHeadersRead, TestContext.Current.CancellationToken))
        {
            Assert.Equal(Size, await CountAsync(await down.Content.ReadAsStreamAsync(TestContext.Current.CancellationToken), TestContext.Current.CancellationToken));
        }

        using var content = new Zeros(Size);
        using var up = await client.PutAsync(new Uri("/large", UriKind.Relative), content, TestContext.Current.CancellationToken);
        Assert.Equal($"{Size}", await up.Content.ReadAsStringAsync(TestContext.Current.CancellationToken));
        Assert.InRange(gateway.PeakMemory, 1, Bound);
    }

    [Fact]
    public async Task A_reader_that_stands_still_holds_the_backend_back()
    {
        const long Large = 512L * 1024 * 1024;
        var written = 0L;
        await using var backend = ScriptedBackend.Start(async exchange =>
        {
            await exchange.WriteAsync($"HTTP/1.1 200 OK\r\nContent-Length: {Large}\r\n\r\n");
            var piece = new byte[64 * 1024];
            while (Interlocked.Read(ref written) < Large)
            {
                await exchange.WriteAsync(piece);
                Interlocked.Add(ref written, piece.Length);
            }
        });
        await using var gateway = await GatewayProcess.StartAsync(backend.Address);
        await using var client = await RawClient.ConnectAsync(gateway.Address, receiveBuffer: 64 * 1024);
        await client.SendAsync(Wire.Get());
        Assert.Equal(200, (await client.ReadHeadAsync()).Status);

        // Nothing is read: the backend must come to rest long before the end.
        var before = -1L;
        using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        while (Interlocked.Read(ref written) is var now && now != before)
        {
            before = now;
            await Task.Delay(TimeSpan.FromSeconds(1), TimeProvider.System, deadline.Token);
        }

        Assert.InRange(before, 1, 64L * 1024 * 1024);
        var (count, buffer) = (0L, new byte[256 * 1024]);
        while (count < Large && await client.ReadAsync(buffer) is > 0 and var read)
        {
            count += read;
        }

        Assert.Equal(Large, count);
        Assert.InRange(gateway.PeakMemory, 1, Bound);
    }

    private static async Task SendAsync(HttpResponse response)
    {
        response.ContentLength = Size;
        var piece = new byte[256 * 1024];
        for (var sent = 0L; sent < Size; sent += piece.Length)
        {
            await response.Body.WriteAsync(piece, response.HttpContext.RequestAborted);
        }
    }

    private static async Task<long> CountAsync(Stream body, CancellationToken cancellationToken)
    {
        var (count, buffer) = (0L, new byte[256 * 1024]);
        while (await body.ReadAsync(buffer, cancellationToken) is > 0 and var read)
        {
            count += read;
        }

        return count;
    }

    private sealed class Zeros(long length) : HttpContent
    {
        protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) => SerializeToStreamAsync(stream, context, CancellationToken.None);

        protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context, CancellationToken cancellationToken)
        {
            var piece = new byte[256 * 1024];
            for (var sent = 0L; sent < length; sent += piece.Length)
            {
                await stream.WriteAsync(piece, cancellationToken);
            }
        }

        protected override bool TryComputeLength(out long computed)
        {
            computed = length;
            return true;
        }
    }
}
