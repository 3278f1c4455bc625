using System.Diagnostics;

namespace ProxyKit.FailureMatrix.Tests;

/// <summary>A gateway in a process of its own, to be told to stop.</summary>
internal sealed class GatewayProcess : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private readonly Process _process;

    private GatewayProcess(Process process, Uri address) => (_process, Address) = (process, address);

    public Uri Address { get; }

    public static async Task<GatewayProcess> StartAsync(params Uri[] backends)
    {
        var program = Path.Combine(AppContext.BaseDirectory, "ProxyKit.Gateway.Host.dll");
        var process = Process.Start(new ProcessStartInfo("dotnet", [program, .. backends.Select(backend => backend.ToString())]) { RedirectStandardInput = true, RedirectStandardOutput = true })!;
        var line = await process.StandardOutput.ReadLineAsync().WaitAsync(Patience);
        return new GatewayProcess(process, new Uri((line ?? throw new InvalidOperationException("The gateway did not start.")).Split(' ')[0])); // the first speaks HTTP/1.1
    }

    /// <summary>Tells it to stop, as a host is told that shuts down.</summary>
    public void Stop() => _process.StandardInput.Close();

    public async Task<int> WhenExitedAsync()
    {
        await _process.WaitForExitAsync().WaitAsync(Patience);
        return _process.ExitCode;
    }

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited)
        {
            _process.Kill();
        }

        await _process.WaitForExitAsync().WaitAsync(Patience);
        _process.Dispose();
    }
}
