using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Jobs;
using BenchmarkDotNet.Reports;
using BenchmarkDotNet.Running;
using BenchmarkDotNet.Toolchains.InProcess.Emit;

using Perfolizer.Horology;

if (args is ["picks"])
{
    ProxyKit.Benchmarks.PicksByCpuTime.Print();
    return;
}

if (args is ["outliers"])
{
    ProxyKit.Benchmarks.OutliersByCpuTime.Print();
    return;
}

if (args is ["probes"])
{
    await ProxyKit.Benchmarks.ProbesByCpuTime.PrintAsync();
    return;
}

if (args is ["probes-backends"])
{
    await ProxyKit.Benchmarks.ProbesByCpuTime.ServeAsync();
    return;
}

// Picks take nanoseconds, so short iterations hold millions of them; in process, so that the whole table takes two minutes.
var job = Job.Default
    .WithToolchain(InProcessEmitToolchain.DontLogOutput)
    .WithWarmupCount(4)
    .WithIterationCount(5)
    .WithIterationTime(TimeInterval.FromMilliseconds(60));
BenchmarkSwitcher.FromAssembly(typeof(Program).Assembly).Run(
    args, DefaultConfig.Instance.AddJob(job.AsDefault()).WithSummaryStyle(SummaryStyle.Default.WithMaxParameterColumnWidth(40)));
