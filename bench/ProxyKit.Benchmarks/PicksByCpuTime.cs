using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Runtime.InteropServices;

namespace ProxyKit.Benchmarks;

/// <summary>The same picks as <see cref="PickBenchmarks"/>, for a machine that others use too: CPU time of the thread instead of the clock, the least of many rounds.</summary>
/// <remarks>Linux only. The loop, the ticket and its scrambling are counted in, about 2 ns.</remarks>
internal static class PicksByCpuTime
{
    private const int Rounds = 80;
    private const int Picks = 50_000;
    private const int ThreadCpuTime = 3; // CLOCK_THREAD_CPUTIME_ID
    private static readonly int[] Sizes = [3, 10, 100];

    public static void Print()
    {
        Console.WriteLine("| Policy | 3 members | 10 members | 100 members | Allocated |");
        Console.WriteLine("|---|--:|--:|--:|--:|");
        foreach (var (name, (policy, weighted)) in PickBenchmarks.All)
        {
            Row(name, Sizes.Select(size =>
            {
                var picker = policy.Prepare(new PoolSnapshot(TestMembers.Of(size, weighted)));
                return Measure(ticket => picker.Pick(new PickRequest(ticket, WeightedDraw.Mix(ticket), key: ticket)));
            }));
        }

        Row("Pool: pick, report, dispose", Sizes.Select(size =>
        {
            using var benchmark = new LeaseBenchmarks { Members = size };
            benchmark.Start();
            return Measure(_ => benchmark.PickReportAndDispose());
        }));
    }

    public static void Row(string name, IEnumerable<(double Nanoseconds, long Bytes)> measured)
    {
        var all = measured.ToList();
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture, $"| {name} | {string.Join(" | ", all.Select(one => $"{one.Nanoseconds:0.0} ns"))} | {all.Max(one => one.Bytes)} B |"));
    }

    public static (double Nanoseconds, long Bytes) Measure<T>(Func<ulong, T> pick)
    {
        var (ticket, least, bytes) = (0UL, double.PositiveInfinity, long.MaxValue);
        for (var round = 0; round < Rounds; round++)
        {
            var (began, held) = (Now(), GC.GetAllocatedBytesForCurrentThread());
            for (var i = 0; i < Picks; i++)
            {
                pick(ticket++);
            }

            var (spent, allocated) = (Now() - began, GC.GetAllocatedBytesForCurrentThread() - held);

            // The runtime optimizes what it has seen run, aside and after a while; the least of all rounds is of code that it is done with.
            if (round % 20 == 19)
            {
                Task.Delay(TimeSpan.FromMilliseconds(400), TimeProvider.System).Wait();
            }

            least = Math.Min(least, spent / Picks);
            bytes = Math.Min(bytes, allocated / Picks);
        }

        return (least, bytes);
    }

    private static double Now() => GetTime(ThreadCpuTime, out var time) == 0
        ? (time.Seconds * 1e9) + time.Nanoseconds
        : throw new PlatformNotSupportedException("There is no clock for the CPU time of a thread.");

    [DllImport("libc", EntryPoint = "clock_gettime")]
    [SuppressMessage("Interoperability", "SYSLIB1054", Justification = "Generated marshalling would need unsafe code in the project; these are two numbers.")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int GetTime(int clock, out Time time);

    [StructLayout(LayoutKind.Sequential)]
    private struct Time
    {
        public long Seconds;
        public long Nanoseconds;
    }
}
