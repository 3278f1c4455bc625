using System.Collections.Concurrent;
using System.Diagnostics;

namespace Failover;

/// <summary>This program again, in a process of its own. It stops when its standard input ends, so none outlives the one that started it.</summary>
internal sealed class Child : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private readonly Process _process;
    private readonly Task _reading;
    private readonly BlockingCollection<string> _answers = [];

    private Child(Process process, Action<string[]> said)
    {
        _process = process;
        _reading = Task.Run(async () =>
        {
            // 'note …' is said at any time; all else answers what was asked.
            while (await process.StandardOutput.ReadLineAsync() is { } line)
            {
                if (line.StartsWith("note ", StringComparison.Ordinal))
                {
                    said(line.Split(' ')[1..]);
                }
                else
                {
                    _answers.Add(line);
                }
            }
        });
    }

    /// <summary>Starts one and returns it with the address that it says it listens on.</summary>
    public static async Task<(Child Child, Uri Address)> StartAsync(Action<string[]> said, params string[] arguments)
    {
        var process = Process.Start(new ProcessStartInfo("dotnet", [typeof(Child).Assembly.Location, .. arguments]) { RedirectStandardInput = true, RedirectStandardOutput = true })
            ?? throw new InvalidOperationException("dotnet did not start.");
        var child = new Child(process, said);
        try
        {
            return (child, new Uri(await child.NextAsync()));
        }
        catch
        {
            await child.DisposeAsync();
            throw;
        }
    }

    /// <summary>Tells it something and waits for its answer.</summary>
    public async Task<string> AskAsync(string command)
    {
        await _process.StandardInput.WriteLineAsync(command);
        return await NextAsync();
    }

    /// <summary>kill -9.</summary>
    public async Task KillAsync()
    {
        _process.Kill();
        await EndAsync();
    }

    /// <summary>Tells it to stop, as at SIGTERM, and waits until it has.</summary>
    public async Task StopAsync()
    {
        _process.StandardInput.Close();
        await EndAsync();
    }

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited)
        {
            _process.Kill();
        }

        await EndAsync();
        _process.Dispose();
        _answers.Dispose();
    }

    private Task<string> NextAsync() => Task.Run(() => _answers.TryTake(out var line, Patience) ? line : throw new TimeoutException($"A child process said nothing for {Patience}."));

    private async Task EndAsync()
    {
        await _process.WaitForExitAsync().WaitAsync(Patience);
        await _reading.WaitAsync(Patience);
    }
}
