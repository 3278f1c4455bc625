namespace ProxyKit.Gateway.Tests;

/// <summary>curl and h2load as clients.</summary>
public sealed class ClientTests
{
    [Theory]
    [InlineData("--http1.1", 0, "1.1")]
    [InlineData("--http2-prior-knowledge", 1, "2")]
    [InlineData("--http1.1", 2, "1.1")]
    [InlineData("--http2", 2, "2")]
    public async Task Curl_gets_and_posts(string version, int port, string expected)
    {
        await using var backend = ScriptedBackend.Start(async exchange => await Answers.Ok($"{exchange.Request.Method} {(await exchange.ReadBodyAsync()).Body.Length}\n")(exchange));
        await using var gateway = await GatewayHost.OverAsync(backend.Address);
        var address = new Uri[] { gateway.Address, gateway.Http2Address, gateway.TlsAddress }[port];
        var file = Path.GetTempFileName();
        try
        {
            await File.WriteAllTextAsync(file, new string('a', 200_000), TestContext.Current.CancellationToken);
            Assert.Equal((0, $"GET 0\n{expected}"), await Peer.RunAsync("curl", "-sSk", version, "-w", "%{http_version}", $"{address}a"));
            Assert.Equal((0, $"POST 200000\n{expected}"), await Peer.RunAsync("curl", "-sSk", version, "--data-binary", $"@{file}", "-w", "%{http_version}", $"{address}b"));
        }
        finally
        {
            File.Delete(file);
        }
    }

    [Theory]
    [InlineData("--http1.1", 0)]
    [InlineData("--http2-prior-knowledge", 1)]
    public async Task Curl_calls_a_short_answer_an_error(string version, int port)
    {
        await using var backend = ScriptedBackend.Start(Answers.Close("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"));
        await using var gateway = await GatewayHost.OverAsync(backend.Address);
        var (exit, _) = await Peer.RunAsync("curl", "-sS", version, (port == 0 ? gateway.Address : gateway.Http2Address).ToString());
        Assert.True(exit is 18 or 52 or 55 or 56 or 92, $"curl ended with {exit}"); // partial file, nothing, send, receive, stream
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task H2load_fails_no_request(bool http1)
    {
        await using var backend = await KestrelBackend.StartAsync(app => Microsoft.AspNetCore.Builder.EndpointRouteBuilderExtensions.MapGet(app, "/{**rest}", () => "hello"));
        await using var gateway = await GatewayHost.OverAsync(backend.Address);
        string[] arguments = http1
            ? ["--h1", "-n", "5000", "-c", "20", "-t", "1", gateway.Address.ToString()]
            : ["-n", "5000", "-c", "5", "-m", "20", "-t", "1", gateway.Http2Address.ToString()];
        var (exit, output) = await Peer.RunAsync("h2load", arguments);
        Assert.Equal(0, exit);
        Assert.Contains("5000 succeeded, 0 failed, 0 errored, 0 timeout", output, StringComparison.Ordinal);
        Assert.Contains("5000 2xx", output, StringComparison.Ordinal);
        await gateway.WhenIdleAsync();
    }
}
