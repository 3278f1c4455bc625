using BenchmarkDotNet.Attributes;

using ProxyKit.Balancing;

namespace ProxyKit.Benchmarks;

/// <summary>What one pick costs, by policy and size of the pool: time and bytes. Members hold 0 to 3 requests, as in a pool at work.</summary>
[MemoryDiagnoser]
[MinColumn]
[HideColumns("Job", "Toolchain", "IterationCount", "IterationTime", "WarmupCount", "Error", "Median")]
public class PickBenchmarks
{
    private IPicker _picker = null!;
    private ulong _ticket;

    [Params(3, 10, 100)]
    public int Members { get; set; }

    [ParamsSource(nameof(Policies))]
    public string Policy { get; set; } = "";

    public static IEnumerable<string> Policies => All.Keys;

    internal static readonly Dictionary<string, (IBalancingPolicy Policy, bool Weighted)> All = new()
    {
        ["RoundRobin"] = (new RoundRobin(), false),
        ["PowerOfTwo"] = (new PowerOfTwo(), false),
        ["WeightedRandom"] = (new WeightedRandom(), false),
        ["LeastRequests"] = (new LeastRequests(), false),
        ["PeakEwma"] = (new PeakEwma(), false),
        ["First"] = (new First(), false),
        ["Rendezvous"] = (new Rendezvous(), false),
        ["Rendezvous, weighted"] = (new Rendezvous(), true),
        ["RingHash"] = (new RingHash(), false),
        ["Maglev"] = (new Maglev(), false),
        ["BoundedLoad of Rendezvous"] = (new BoundedLoad(), false),
        ["BoundedLoad of Maglev"] = (new BoundedLoad(new Maglev()), false),
        ["PriorityTiers"] = (new PriorityTiers(), false),
        ["PreferZone"] = (new PreferZone { Zone = "a" }, false),
        ["LabelSubset"] = (new LabelSubset { Labels = { ["half"] = "0" } }, false),
        ["ClientSubset"] = (new ClientSubset { Client = "a" }, false),
    };

    [GlobalSetup]
    public void Prepare()
    {
        var (policy, weighted) = All[Policy];
        _picker = policy.Prepare(new PoolSnapshot(TestMembers.Of(Members, weighted)));
    }

    [Benchmark]
    public Member? Pick()
    {
        var ticket = _ticket++;
        return _picker.Pick(new PickRequest(ticket, WeightedDraw.Mix(ticket), key: ticket));
    }
}

/// <summary>What a pick costs as a user of a pool meets it: pick, lease, report and end.</summary>
[MemoryDiagnoser]
[MinColumn]
[HideColumns("Job", "Toolchain", "IterationCount", "IterationTime", "WarmupCount", "Error", "Median")]
public class LeaseBenchmarks : IDisposable
{
    private Pool _pool = null!;

    [Params(3, 10, 100)]
    public int Members { get; set; }

    [GlobalSetup]
    public void Start() => _pool = new Pool("bench", TestMembers.Of(Members, weighted: false).Select(member => member.Destination), seed: 1);

    [GlobalCleanup]
    public void Dispose()
    {
        _pool.Dispose();
        GC.SuppressFinalize(this);
    }

    [Benchmark]
    public PickStatus PickReportAndDispose()
    {
        var status = _pool.TryPick(out var lease);
        lease.Report(OutcomeKind.Answered, 200);
        lease.Dispose();
        return status;
    }
}

internal static class TestMembers
{
    public static Member[] Of(int count, bool weighted) =>
    [
        .. Enumerable.Range(0, count).Select(i => new Member(
            new Destination($"10.0.0.{i}:8080", new Uri($"http://10.0.0.{i}:8080"))
            {
                Weight = weighted ? 1 + (i % 5) : 1,
                Zone = ((char)('a' + (i % 3))).ToString(),
                Priority = i % 2,
                Labels = System.Collections.Immutable.ImmutableSortedDictionary<string, string>.Empty.Add("half", (i % 2).ToString(System.Globalization.CultureInfo.InvariantCulture)),
            },
            inFlight: i % 4)),
    ];
}
