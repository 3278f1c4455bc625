using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;

using ProxyKit.Health;

namespace ProxyKit.Benchmarks;

/// <summary>What probing a thousand destinations costs: the share of one core that this process uses, while another answers.</summary>
/// <remarks>Linux only, where all of 127.0.0.0/8 is loopback: each destination has an address of its own there, so a connection of its own.</remarks>
internal static class ProbesByCpuTime
{
    private const int Destinations = 1000;
    private static readonly TimeSpan Warm = TimeSpan.FromSeconds(20);
    private static readonly TimeSpan Measured = TimeSpan.FromSeconds(30);

    public static async Task PrintAsync()
    {
        using var backends = StartBackends(out var port);
        try
        {
            Console.WriteLine($"| {Destinations} destinations, each every 5 s | Probes | CPU time | Share of a core | Allocated for each probe |");
            Console.WriteLine("|---|--:|--:|--:|--:|");
            await RowAsync("nothing", null, port);
            await RowAsync("`HttpProbe`, HTTP/1.1 over kept connections", new HttpProbe("/healthz"), port);
            await RowAsync("`TcpProbe`, a connection each time", new TcpProbe(), port);
        }
        finally
        {
            backends.Kill();
        }
    }

    /// <summary>Answers each request on any address of loopback with 200, until its input ends.</summary>
    public static async Task ServeAsync()
    {
        using var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Any, 0));
        listener.Listen(4096);
        Console.WriteLine(((IPEndPoint)listener.LocalEndPoint!).Port);
        while (true)
        {
            _ = AnswerAsync(await listener.AcceptAsync());
        }
    }

    private static async Task AnswerAsync(Socket socket)
    {
        using (socket)
        {
            socket.NoDelay = true;
            var (buffer, answer) = (new byte[4096], "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 7\r\n\r\nHealthy"u8.ToArray());
            try
            {
                while (await socket.ReceiveAsync(buffer) > 0) // a probe's request is one segment
                {
                    await socket.SendAsync(answer);
                }
            }
            catch (SocketException)
            {
                // The other side is gone.
            }
        }
    }

    private static async Task RowAsync(string name, IProbe? probe, int port)
    {
        var counting = probe is null ? null : new Counting(probe);
        var settings = counting is null ? PoolSettings.Default : PoolSettings.Default.WithProbe(counting);
        var destinations = Enumerable.Range(0, Destinations).Select(i => new Destination($"d{i}", new Uri($"http://127.0.{1 + (i / 250)}.{1 + (i % 250)}:{port}")));
        using var pool = new Pool("bench", destinations, settings);
        await using var prober = Prober.Start(pool);
        await Task.Delay(Warm, TimeProvider.System);
        var (cpu, bytes, probes, clock) = (Environment.CpuUsage.TotalTime, GC.GetTotalAllocatedBytes(), counting?.Count ?? 0, Stopwatch.GetTimestamp());
        await Task.Delay(Measured, TimeProvider.System);
        var elapsed = Stopwatch.GetElapsedTime(clock);
        var used = Environment.CpuUsage.TotalTime - cpu;
        probes = (counting?.Count ?? 0) - probes;
        var down = pool.Snapshot.Members.Count(member => member.IsDown);
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"| {name}{(down > 0 ? $" ({down} are down!)" : "")} | {probes} | {used.TotalMilliseconds:0} ms in {elapsed.TotalSeconds:0.0} s | {used / elapsed:0.00 %} | {(probes == 0 ? 0 : (GC.GetTotalAllocatedBytes() - bytes) / probes)} B |"));
    }

    private static Process StartBackends(out int port)
    {
        var self = new ProcessStartInfo(Environment.ProcessPath!) { RedirectStandardOutput = true };
        if (Path.GetFileNameWithoutExtension(Environment.ProcessPath!) == "dotnet")
        {
            self.ArgumentList.Add(typeof(ProbesByCpuTime).Assembly.Location);
        }

        self.ArgumentList.Add("probes-backends");
        var process = Process.Start(self)!;
        port = int.Parse(process.StandardOutput.ReadLine()!, CultureInfo.InvariantCulture);
        return process;
    }

    private sealed class Counting(IProbe probe) : IProbe
    {
        private int _count;

        public int Count => Volatile.Read(ref _count);

        public ValueTask<ProbeResult> ProbeAsync(ProbeContext context, CancellationToken cancellationToken)
        {
            Interlocked.Increment(ref _count);
            return probe.ProbeAsync(context, cancellationToken);
        }
    }
}
