using ProxyKit.Health;

namespace ProxyKit.Benchmarks;

/// <summary>What a request that ends well costs those who watch how requests end, over ten members.</summary>
internal static class OutliersByCpuTime
{
    private static readonly Outcome Fine = new(OutcomeKind.Answered, TimeSpan.FromMilliseconds(3), 200);

    public static void Print()
    {
        Console.WriteLine("| What watches | One outcome | Allocated |");
        Console.WriteLine("|---|--:|--:|");
        Row("nobody", [], PoolSettings.Default);
        Row("outlier detection, not switched on", [new OutlierDetection()], PoolSettings.Default);
        Row("outlier detection", [new OutlierDetection()], PoolSettings.Default.With(new OutlierOptions()));
        Row("outlier detection, latency as well", [new OutlierDetection()], PoolSettings.Default.With(new OutlierOptions { LatencyFactor = 3 }));
        Row("circuit breaker", [new CircuitBreaker()], PoolSettings.Default.With(new CircuitBreakerOptions()));
        Row("reports of oneself", [new SelfReports()], PoolSettings.Default.With(new StateHeaderOptions()));
        Row(
            "all three",
            [new OutlierDetection(), new CircuitBreaker(), new SelfReports()],
            PoolSettings.Default.With(new OutlierOptions()).With(new CircuitBreakerOptions()).With(new StateHeaderOptions()));
        Console.WriteLine();
        Lease("pick, report, dispose: nobody watches", [], PoolSettings.Default);
        Lease(
            "pick, report, dispose: all three",
            [new OutlierDetection(), new CircuitBreaker(), new SelfReports()],
            PoolSettings.Default.With(new OutlierOptions()).With(new CircuitBreakerOptions()).With(new StateHeaderOptions()));
    }

    private static void Row(string name, IOutcomeObserver[] observers, PoolSettings settings)
    {
        using var pool = Make(observers, settings);
        var members = pool.Snapshot.Members;
        PicksByCpuTime.Row(name, [PicksByCpuTime.Measure(ticket =>
        {
            var member = members[(int)(ticket % 10)];
            foreach (var observer in observers)
            {
                observer.OnOutcome(pool, member, Fine);
            }

            return member;
        })]);
    }

    private static void Lease(string name, IOutcomeObserver[] observers, PoolSettings settings)
    {
        using var pool = Make(observers, settings);
        PicksByCpuTime.Row(name, [PicksByCpuTime.Measure(_ =>
        {
            pool.TryPick(out var lease);
            lease.Report(OutcomeKind.Answered, 200);
            lease.Dispose();
            return 0;
        })]);
    }

    private static Pool Make(IOutcomeObserver[] observers, PoolSettings settings) =>
        new("p", Enumerable.Range(0, 10).Select(i => new Destination($"{i}", new Uri($"http://10.0.0.{i}"))), settings, observers, seed: 1);
}
