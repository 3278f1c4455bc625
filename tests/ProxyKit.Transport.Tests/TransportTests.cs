using System.Diagnostics;

using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;

namespace ProxyKit.Transport.Tests;

public sealed class TransportTests
{
    [Fact]
    public async Task Called_first_it_runs_requests_on_socket_threads()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Windows has no such switch.");
        var said = await RunAsync("first");
        Assert.Contains("ran on a socket thread", said, StringComparison.Ordinal);
        Assert.DoesNotContain("AskedTooLate", said, StringComparison.Ordinal);
        Assert.DoesNotContain("warn", said, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Called_after_the_first_socket_it_says_so_once_with_the_cure()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Windows has no such switch.");
        var said = await RunAsync("late");
        Assert.Contains("ran on the thread pool", said, StringComparison.Ordinal);
        Assert.Equal(2, said.Split("call it first in Program.cs, or start the process with DOTNET_SYSTEM_NET_SOCKETS_INLINE_COMPLETIONS=1.").Length);
    }

    [Fact]
    public async Task Called_twice_it_does_what_it_does_called_once()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Windows has no such switch.");
        Assert.Contains("ran on a socket thread", await RunAsync("twice"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Without_it_requests_run_on_the_thread_pool() =>
        Assert.Contains("ran on the thread pool", await RunAsync("without"), StringComparison.Ordinal);

    [Fact]
    public void Kestrel_is_set_to_inline_scheduling_and_users_have_the_last_word()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.WebHost.UseProxyKitTransport();
        builder.Services.Configure<SocketTransportOptions>(sockets => sockets.WaitForDataBeforeAllocatingBuffer = true);
        var sockets = builder.Services.BuildServiceProvider().GetRequiredService<IOptions<SocketTransportOptions>>().Value;
        Assert.True(sockets.UnsafePreferInlineScheduling);
        Assert.True(sockets.WaitForDataBeforeAllocatingBuffer);
    }

    private static async Task<string> RunAsync(string way)
    {
        var start = new ProcessStartInfo("dotnet", [Path.Combine(AppContext.BaseDirectory, "ProxyKit.Transport.Host.dll"), way])
        {
            RedirectStandardOutput = true,
        };
        start.Environment.Remove("DOTNET_SYSTEM_NET_SOCKETS_INLINE_COMPLETIONS"); // the preset sets it in this process too
        using var process = Process.Start(start)!;
        var said = await process.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        Assert.Equal(0, process.ExitCode);
        return said;
    }
}
