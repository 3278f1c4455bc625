using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;

namespace ProxyKit.FailureMatrix.Tests;

/// <summary>A backend of the matrix, in a process of its own.</summary>
internal sealed class Origin : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private readonly LoadLedger _ledger;
    private readonly bool _http2;
    private readonly Lock _lock = new();
    private Process _process;
    private Task _reading;
    private TaskCompletionSource<string> _line = NewLine();

    private Origin(string name, LoadLedger ledger, bool http2)
    {
        (Name, _ledger, _http2) = (name, ledger, http2);
        (_process, _reading) = Start(0);
        Address = new Uri("http://127.0.0.1:1");
    }

    public string Name { get; }

    public Uri Address { get; private set; }

    public Destination Destination => new(Name, Address);

    public static async Task<Origin> StartAsync(string name, LoadLedger ledger, bool http2 = false)
    {
        var origin = new Origin(name, ledger, http2);
        origin.Address = new Uri(await origin.NextLineAsync());
        return origin;
    }

    /// <summary>Three of them: a, b and c.</summary>
    public static async Task<Origin[]> ThreeAsync(LoadLedger ledger, bool http2 = false) =>
        await Task.WhenAll(((string[])["a", "b", "c"]).Select(name => StartAsync(name, ledger, http2)));

    /// <summary>kill -9.</summary>
    public async Task KillAsync()
    {
        _process.Kill();
        await _process.WaitForExitAsync().WaitAsync(Patience);
    }

    /// <summary>Tells it to stop, as an orchestrator does, and waits until it has.</summary>
    public async Task TerminateAsync()
    {
        Assert.Equal(0, SendSignal(_process.Id, 15));
        await _process.WaitForExitAsync().WaitAsync(Patience);
    }

    /// <summary>Starts it on its port again; done when it listens.</summary>
    public async Task ReviveAsync()
    {
        await _reading.WaitAsync(Patience);
        _process.Dispose();
        lock (_lock)
        {
            _line = NewLine();
        }

        (_process, _reading) = Start(Address.Port);
        Assert.Equal(Address, new Uri(await NextLineAsync()));
    }

    /// <summary>From now on it waits for so long before it answers.</summary>
    public Task SlowDownAsync(TimeSpan wait) => TellAsync(string.Create(CultureInfo.InvariantCulture, $"slow {wait.TotalMilliseconds}"));

    /// <summary>From now on it answers so to that share of the requests.</summary>
    public Task FailAsync(int status, double share = 1) => TellAsync(string.Create(CultureInfo.InvariantCulture, $"status {status} {share}"));

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited)
        {
            _process.Kill();
        }

        await _process.WaitForExitAsync().WaitAsync(Patience);
        await _reading.WaitAsync(Patience);
        _process.Dispose();
    }

    private async Task TellAsync(string command)
    {
        lock (_lock)
        {
            _line = NewLine();
        }

        await _process.StandardInput.WriteLineAsync(command);
        Assert.Equal($"told {command}", await NextLineAsync());
    }

    private Task<string> NextLineAsync()
    {
        lock (_lock)
        {
            return _line.Task.WaitAsync(Patience);
        }
    }

    private (Process, Task) Start(int port)
    {
        var program = Path.Combine(AppContext.BaseDirectory, "ProxyKit.FailureMatrix.Host.dll");
        var process = Process.Start(new ProcessStartInfo("dotnet", [program, Name, port.ToString(CultureInfo.InvariantCulture), _http2 ? "http2" : "http1"])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
        })!;
        return (process, Task.Run(() => ReadAsync(process.StandardOutput)));
    }

    private async Task ReadAsync(StreamReader output)
    {
        while (await output.ReadLineAsync() is { } line)
        {
            if (line.Split(' ') is ["delivered", var kind, var id])
            {
                _ledger.Deliver(Name, Enum.Parse<LoadKind>(kind), id);
                continue;
            }

            lock (_lock)
            {
                _line.TrySetResult(line);
            }
        }
    }

    private static TaskCompletionSource<string> NewLine() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    // The runtime has no way to send a signal other than SIGKILL.
    [DllImport("libc", EntryPoint = "kill")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int SendSignal(int process, int signal);
}
