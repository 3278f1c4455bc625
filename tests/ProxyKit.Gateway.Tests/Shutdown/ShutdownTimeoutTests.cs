using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Time.Testing;

namespace ProxyKit.Gateway.Tests;

/// <summary>What still runs when the time to stop is over is cut, and nobody takes a part for the whole.</summary>
public sealed class ShutdownTimeoutTests
{
    private readonly FakeTimeProvider _time = new();

    [Theory]
    [InlineData("Content-Length: 6\r\n\r\nabc")]
    [InlineData("Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")]
    [InlineData("\r\nabc")] // its end is the connection's
    public async Task A_body_is_cut(string rest)
    {
        await using var backend = ScriptedBackend.Start(Answers.Gated($"HTTP/1.1 200 OK\r\n{rest}", Never, ""));
        await using var gateway = await StartAsync(backend);
        await using var client = await RawClient.ConnectAsync(gateway.Address);
        await client.SendAsync(Wire.Get());
        var head = await client.ReadHeadAsync();
        Assert.Equal(200, head.Status);
        await CutAsync(gateway);
        Assert.NotEqual(BodyEnd.Complete, (await client.ReadBodyAsync(head)).End);
    }

    [Fact]
    public async Task A_body_is_cut_on_HTTP_1_0_by_a_reset()
    {
        await using var backend = ScriptedBackend.Start(Answers.Gated("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", Never, ""));
        await using var gateway = await StartAsync(backend);
        await using var client = await RawClient.ConnectAsync(gateway.Address);
        await client.SendAsync(Wire.Get().Replace("HTTP/1.1", "HTTP/1.0", StringComparison.Ordinal));
        Assert.Equal("abc", Wire.Text(await ReadAfterHeadAsync(client)));
        await CutAsync(gateway);
        Assert.Equal(ConnectionEnd.Reset, (await client.ReadToEndAsync()).End);
    }

    [Fact]
    public async Task A_body_is_cut_on_HTTP_2()
    {
        await using var backend = ScriptedBackend.Start(Answers.Gated("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", Never, ""));
        await using var gateway = await StartAsync(backend);
        using var client = gateway.NewHttp2Client();
        using var answer = await client.GetAsync(new Uri("/", UriKind.Relative), HttpCompletionOption.ResponseHeadersRead, TestContext.Current.CancellationToken);
        await CutAsync(gateway);
        await Assert.ThrowsAnyAsync<Exception>(() => answer.Content.ReadAsStringAsync(TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task A_request_without_an_answer_is_told_why_and_blames_no_member()
    {
        await using var backend = ScriptedBackend.Start(Answers.Never());
        await using var gateway = await StartAsync(backend);
        await using var client = await RawClient.ConnectAsync(gateway.Address);
        await client.SendAsync(Wire.Get());
        await backend.WhenRequestsAsync(1);
        await CutAsync(gateway);
        var answer = await client.ReadResponseAsync();
        Wire.IsProblem(answer, 503, "shutting down");
        Assert.Equal("close", answer["Connection"]);
        Assert.DoesNotContain(gateway.Logged, record => record.Id.Name is "AttemptFailed" or "BodyBroken");
    }

    [Fact]
    public async Task An_upload_is_cut()
    {
        await using var backend = ScriptedBackend.Start(Answers.Ok("ok"));
        await using var gateway = await StartAsync(backend);
        await using var client = await RawClient.ConnectAsync(gateway.Address);
        await client.SendAsync("POST / HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 6\r\n\r\nabc");
        await backend.WhenRequestsAsync(1);
        await CutAsync(gateway);
        Assert.Equal(503, (await client.ReadResponseAsync("POST")).Status);
        Assert.NotEqual(BodyEnd.Complete, (await backend.Requests[0].Read.WaitAsync(backend.Deadline, TestContext.Current.CancellationToken)).End);
    }

    [Fact]
    public async Task Where_nothing_is_said_the_host_s_own_timeout_cuts()
    {
        await using var backend = ScriptedBackend.Start(Answers.Gated("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", Never, ""));
        await using var gateway = await GatewayHost.OverAsync(backend.Address); // whose host waits for a second
        await using var client = await RawClient.ConnectAsync(gateway.Address);
        await client.SendAsync(Wire.Get());
        var head = await client.ReadHeadAsync();
        await gateway.StopAsync();
        Assert.NotEqual(BodyEnd.Complete, (await client.ReadBodyAsync(head)).End);
    }

    private static Task Never => new TaskCompletionSource().Task;

    private static async Task<byte[]> ReadAfterHeadAsync(RawClient client)
    {
        await client.ReadHeadAsync();
        return await client.ReadExactlyAsync(3);
    }

    private Task<GatewayHost> StartAsync(ScriptedBackend backend) => GatewayHost.StartAsync(proxyKit =>
    {
        proxyKit.Services.AddSingleton<TimeProvider>(_time);
        proxyKit.AddGracefulShutdown(new ShutdownOptions { Timeout = TimeSpan.FromSeconds(20) });
        proxyKit.AddPool("p", backend.Address.ToString()).WithTimeouts(new TimeoutOptions { RequestBody = default, FirstByte = default, ReadIdle = default, WriteIdle = default });
    });

    // Lets the time pass until what runs is cut.
    private async Task CutAsync(GatewayHost gateway)
    {
        var stopped = gateway.StopAsync();
        await Eventually.TrueAsync(() => gateway.Logged.Any(record => record.Id.Name == "Leaving"));
        Assert.False(stopped.IsCompleted);
        await Eventually.TrueAsync(_time, TimeSpan.FromSeconds(1), () => gateway.Logged.Any(record => record.Id.Name == "RequestsCut"));
    }
}
