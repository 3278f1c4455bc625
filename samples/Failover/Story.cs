using System.Globalization;
using System.Runtime.InteropServices;

namespace Failover;

/// <summary>Plays each act with each gateway and prints what came of it.</summary>
internal static class Story
{
    private static readonly TimeSpan WarmUp = TimeSpan.FromSeconds(4);

    public static async Task<int> TellAsync(string[] args)
    {
        if (Options.Read(args) is not { } options)
        {
            Console.WriteLine(Options.Help);
            return args is ["--help"] ? 0 : 2;
        }

        using var stop = new CancellationTokenSource();
        Console.CancelKeyPress += (_, key) =>
        {
            key.Cancel = true; // all that was started is ended first
            stop.Cancel();
        };
        var text = Head(options);
        Console.WriteLine(text);
        try
        {
            foreach (var act in Act.All.Where(act => options.Acts.Contains(act.Name)))
            {
                var scenes = new List<Scene>();
                foreach (var contender in Contenders(options, act))
                {
                    Console.Error.WriteLine($"{act.Name}: {contender.Title}");
                    scenes.Add(await PlayAsync(act, contender, options, stop.Token));
                }

                var table = Table.Of(act, scenes);
                Console.WriteLine(table);
                text += table;
            }
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            return 130;
        }

        if (options.Markdown is { } file)
        {
            await File.WriteAllTextAsync(file, text.TrimEnd('\n') + "\n");
        }

        return 0;
    }

    private static IEnumerable<Contender> Contenders(Options options, Act act) => Contender.All.Where(contender =>
        options.Only.Contains(contender.Family)
        && (contender.Family != "nginx" || NginxGateway.Program is not null)
        && (act.Name == "slow" || !contender.Title.Contains("EWMA", StringComparison.Ordinal)) // latency is what it is about
        && (act.Name != "black-hole" || BlackHole.IsSupported));

    private static async Task<Scene> PlayAsync(Act act, Contender contender, Options options, CancellationToken stopping)
    {
        var ledger = new LoadLedger();
        var backends = new List<Backend>();
        try
        {
            foreach (var name in (string[])["a", "b", "c"])
            {
                backends.Add(await Backend.StartAsync(name, ledger, isScripted: act.Name == "black-hole"));
            }

            await using var gateway = await contender.StartAsync(backends);
            var load = new LoadOptions { Rate = options.Rate, Timeout = TimeSpan.FromSeconds(15) };
            await using (var warm = OpenLoad.Start(gateway.Address, load))
            {
                await warm.WhenAsync(options.Seconds < 5 ? WarmUp / 4 : WarmUp).WaitAsync(stopping);
                await warm.StopAsync();
            }

            var before = await gateway.TriesAsync();
            await using var running = OpenLoad.Start(gateway.Address, load);
            var length = TimeSpan.FromSeconds(options.Seconds);
            var stage = new Stage(backends, gateway, running, length, stopping);
            await act.PlayAsync(stage);
            await stage.WhenAsync(1);
            var report = await running.StopAsync().WaitAsync(stopping);
            var tries = await gateway.TriesAsync();
            return new Scene(contender.Title, report, ledger.PostsDeliveredTwice.Count, tries with { Retried = tries.Retried - before.Retried }, stage);
        }
        finally
        {
            foreach (var backend in backends)
            {
                await backend.DisposeAsync();
            }
        }
    }

    private static string Head(Options options) => string.Create(
        CultureInfo.InvariantCulture,
        $"""
        # Failover, {TimeProvider.System.GetUtcNow():yyyy-MM-dd}

        {Environment.ProcessorCount} × {Processor()}, {RuntimeInformation.OSDescription.Split('#')[0].Trim()}, .NET {Environment.Version}, {Versions()}.
        Three backends, one gateway and the load, each a process, on one machine. {options.Rate} requests/s for {options.Seconds} s, whether answered or not: 70 % GETs,
        20 % POSTs of 8 KiB, 10 % GETs of 1 MiB; over HTTP/1.1, at most 64 connections. Times are in ms, from when a request was due.

        - *GET not begun*: GETs of which no answer had begun; another backend could have been asked. *POST*: none has an `Idempotency-Key`, so none that was sent may be repeated.
        - *cut*: answers that had begun and broke off so that the client sees it. *spoiled*: short or wrong answers that look whole. *POST twice*: delivered to two backends.
        - nginx closes kept connections when it reloads; a request that meets that has no answer, and is counted, though many clients would send it again.
        - *tried the dead*: attempts that failed at backends which were down. *for*: how long, until half a second without any. *back after*: from when it listens again to its first answer.


        """);

    private static string Versions() =>
        $"YARP {typeof(Yarp.ReverseProxy.Forwarder.IHttpForwarder).Assembly.GetName().Version!.ToString(3)}" + (NginxGateway.Version() is { } nginx ? $", nginx {nginx}" : "");

    private static string Processor() => File.Exists("/proc/cpuinfo")
        ? File.ReadLines("/proc/cpuinfo").FirstOrDefault(line => line.StartsWith("model name", StringComparison.Ordinal))?.Split(':')[1].Trim() ?? "processor"
        : RuntimeInformation.ProcessArchitecture.ToString();
}
