using System.Diagnostics;

namespace ProxyKit.Gateway.Tests;

/// <summary>A program that is not ours, which some tests run against.</summary>
internal static class Peer
{
    /// <summary>Where the program is. Without it the test is skipped, or fails where PROXYKIT_REQUIRE_PEERS is 1.</summary>
    public static string Find(string program)
    {
        string[] folders = [.. (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator), "/usr/sbin", "/usr/local/sbin"];
        var path = folders.Where(folder => folder.Length > 0).Select(folder => Path.Combine(folder, program)).FirstOrDefault(File.Exists);
        if (path is null && Environment.GetEnvironmentVariable("PROXYKIT_REQUIRE_PEERS") == "1")
        {
            Assert.Fail($"{program} is not installed, and PROXYKIT_REQUIRE_PEERS is 1.");
        }

        Assert.SkipWhen(path is null, $"{program} is not installed.");
        return path!;
    }

    /// <summary>Runs the program to its end and returns what it printed.</summary>
    public static async Task<(int ExitCode, string Output)> RunAsync(string program, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(Find(program), arguments) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        deadline.CancelAfter(TimeSpan.FromMinutes(1));
        try
        {
            var output = process.StandardOutput.ReadToEndAsync(deadline.Token);
            var errors = process.StandardError.ReadToEndAsync(deadline.Token);
            await process.WaitForExitAsync(deadline.Token);
            return (process.ExitCode, await output + await errors);
        }
        finally
        {
            if (!process.HasExited)
            {
                process.Kill();
            }
        }
    }
}
