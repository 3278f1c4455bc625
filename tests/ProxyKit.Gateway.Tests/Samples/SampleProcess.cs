using System.Diagnostics;
using System.Text.RegularExpressions;

namespace ProxyKit.Gateway.Tests;

/// <summary>A sample, run as its user would run it.</summary>
internal sealed partial class SampleProcess : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly Process _process;
    private readonly List<string> _lines = [];

    private SampleProcess(Process process) => _process = process;

    /// <summary>What it has printed.</summary>
    public string Output => string.Join('\n', _lines);

    public static SampleProcess Start(string sample, params string[] arguments)
    {
        // Built beside these tests: artifacts/bin/<project>/<configuration>.
        var own = new DirectoryInfo(AppContext.BaseDirectory);
        var program = Path.Combine(own.Parent!.Parent!.FullName, sample, own.Name, $"{sample}.dll");
        return new SampleProcess(Process.Start(new ProcessStartInfo("dotnet", [program, .. arguments])
        {
            RedirectStandardOutput = true,
            WorkingDirectory = ConfigurationDocument.Root,
        })!);
    }

    /// <summary>The address that it says it listens on.</summary>
    public async Task<Uri> WhenListeningAsync()
    {
        using var deadline = new CancellationTokenSource(Patience);
        while (await _process.StandardOutput.ReadLineAsync(deadline.Token) is { } line)
        {
            _lines.Add(line);
            if (Listening().Match(line) is { Success: true } match)
            {
                return new Uri(match.Groups[1].Value);
            }
        }

        throw new InvalidOperationException($"It ended before it listened, and said: {Output}");
    }

    /// <summary>Its exit code, once it has ended by itself.</summary>
    public async Task<int> WhenExitedAsync()
    {
        using var deadline = new CancellationTokenSource(Patience);
        _lines.AddRange((await _process.StandardOutput.ReadToEndAsync(deadline.Token)).Split('\n'));
        await _process.WaitForExitAsync(deadline.Token);
        return _process.ExitCode;
    }

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited)
        {
            _process.Kill();
        }

        using var deadline = new CancellationTokenSource(Patience);
        await _process.WaitForExitAsync(deadline.Token);
        _process.Dispose();
    }

    [GeneratedRegex(@"listen(?:s|ing) on:? (http://[\w.:\[\]]+)")]
    private static partial Regex Listening();
}
