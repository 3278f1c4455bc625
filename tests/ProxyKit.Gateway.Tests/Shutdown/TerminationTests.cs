using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;

namespace ProxyKit.Gateway.Tests;

/// <summary>A gateway's process that gets SIGTERM under load, with another one beside it.</summary>
public sealed class TerminationTests
{
    [Theory]
    [InlineData("1.1")]
    [InlineData("2.0")]
    public async Task SIGTERM_under_load_fails_no_request_of_clients_that_heed_what_they_are_told(string version)
    {
        if (OperatingSystem.IsWindows())
        {
            return; // which has no such signal
        }

        await using var backend = await KestrelBackend.StartAsync(app => app.Map("/{**rest}", async (HttpContext context) =>
        {
            using var reader = new StreamReader(context.Request.Body);
            return $"{(await reader.ReadToEndAsync(context.RequestAborted)).Length}";
        }));
        (string, string)[] shutdown = [("Shutdown:Delay", "00:00:02"), ("Shutdown:Timeout", "00:00:20")];
        await using var leaves = await GatewayProcess.StartAsync(shutdown, backend.Address);
        await using var stays = await GatewayProcess.StartAsync(backend.Address);
        var isHttp2 = version == "2.0";
        using var load = new LoadClient(
            isHttp2 ? leaves.Http2Address : leaves.Address, connections: 16, Version.Parse(version), isHttp2 ? stays.Http2Address : stays.Address);
        await load.WhenServedAsync(500);
        await leaves.TerminateAsync();
        Assert.Equal(0, await leaves.WhenExitedAsync());
        await load.WhenServedAsync(500);
        await load.StopAsync();
        Assert.Empty(load.Failures);
    }
}
