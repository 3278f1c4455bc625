using System.Diagnostics;
using System.Globalization;

namespace ProxyKit.Gateway.Tests;

/// <summary>A gateway in a process of its own, so that its memory can be told from the test's.</summary>
internal sealed class GatewayProcess : IAsyncDisposable
{
    private readonly Process _process;

    private GatewayProcess(Process process, Uri[] addresses) => (_process, Address, Http2Address) = (process, addresses[0], addresses[1]);

    /// <summary>HTTP/1.1.</summary>
    public Uri Address { get; }

    /// <summary>HTTP/2 with prior knowledge.</summary>
    public Uri Http2Address { get; }

    /// <summary>The most memory that was ever resident, in bytes.</summary>
    public long PeakMemory
    {
        get
        {
            // Process.PeakWorkingSet64 is 0 on Linux.
            var status = $"/proc/{_process.Id}/status";
            if (File.Exists(status))
            {
                var line = File.ReadLines(status).Single(line => line.StartsWith("VmHWM:", StringComparison.Ordinal));
                return long.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture) * 1024;
            }

            _process.Refresh();
            return _process.PeakWorkingSet64;
        }
    }

    public static Task<GatewayProcess> StartAsync(params Uri[] backends) => StartAsync([], backends);

    /// <param name="settings">Configuration below <c>ProxyKit</c>, such as <c>Shutdown:Delay</c>.</param>
    /// <param name="backends">Where everything goes.</param>
    public static async Task<GatewayProcess> StartAsync((string Key, string Value)[] settings, params Uri[] backends)
    {
        var program = Path.Combine(AppContext.BaseDirectory, "ProxyKit.Gateway.Host.dll");
        var start = new ProcessStartInfo("dotnet", [program, .. backends.Select(backend => backend.ToString())]) { RedirectStandardInput = true, RedirectStandardOutput = true };
        foreach (var (key, value) in settings)
        {
            start.Environment[$"ProxyKit__{key.Replace(":", "__", StringComparison.Ordinal)}"] = value;
        }

        var process = Process.Start(start)!;
        var line = await process.StandardOutput.ReadLineAsync().WaitAsync(TimeSpan.FromSeconds(30));
        return new GatewayProcess(process, [.. (line ?? throw new InvalidOperationException("The gateway did not start.")).Split(' ').Select(address => new Uri(address))]);
    }

    /// <summary>Tells it to stop, as a host is told that shuts down.</summary>
    public void Stop() => _process.StandardInput.Close();

    /// <summary>Tells it to stop by SIGTERM, as init systems and orchestrators do.</summary>
    public async Task TerminateAsync()
    {
        using var kill = Process.Start("sh", ["-c", $"kill -TERM {_process.Id}"]);
        await kill.WaitForExitAsync();
        Assert.Equal(0, kill.ExitCode);
    }

    public async Task<int> WhenExitedAsync()
    {
        await _process.WaitForExitAsync().WaitAsync(TimeSpan.FromSeconds(30));
        return _process.ExitCode;
    }

    public async ValueTask DisposeAsync()
    {
        Stop();
        using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(10));
        try
        {
            await _process.WaitForExitAsync(deadline.Token);
        }
        catch (OperationCanceledException)
        {
            _process.Kill();
        }

        _process.Dispose();
    }
}
