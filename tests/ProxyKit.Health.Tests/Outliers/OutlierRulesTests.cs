using CsCheck;

namespace ProxyKit.Health.Tests.Outliers;

// Who differs from the others over an interval.
public class OutlierRulesTests
{
    private static readonly OutlierOptions Options = new();

    private static string Judged(OutlierOptions options, params (long Volume, long Failures)[] members) =>
        string.Join(", ", OutlierRules.Judge(members.Select(member => new Window(member.Volume, member.Failures, default)).ToArray(), options).Select(outlier => $"{outlier.Index} {outlier.Kind}"));

    [Fact]
    public void One_of_three_that_fails_four_in_ten_is_found()
    {
        Assert.Equal("1 FailureExcess", Judged(Options, (220, 0), (220, 88), (220, 1)));
        Assert.Equal("1 FailureExcess", Judged(Options, (50, 0), (50, 20), (50, 0))); // with the least volume
        Assert.Equal("", Judged(Options with { FailureExcess = 0 }, (220, 0), (220, 88), (220, 1))); // and by nothing else
    }

    [Fact]
    public void The_reason_says_how_it_compares()
    {
        var reason = OutlierRules.Judge([new Window(220, 90, default), new Window(1000, 2, default), new Window(1000, 2, default)], Options).Single().Reason;
        Assert.Equal("40.9 % of 220 requests failed; the others 0.2 %", reason);
    }

    [Fact]
    public void Of_two_or_of_six_halves_the_bad_are_found()
    {
        Assert.Equal("0 FailureExcess", Judged(Options, (60, 24), (200, 1)));
        Assert.Equal("0 FailureExcess, 1 FailureExcess, 2 FailureExcess", Judged(Options, (500, 200), (500, 200), (500, 200), (500, 0), (500, 0), (500, 0)));
    }

    [Fact]
    public void Below_the_volume_nobody_is_judged() =>
        Gen.Select(Gen.Int[0, 49], Gen.Int[0, 49], Gen.Int[2, 8]).Sample((volume, failures, members) =>
            Assert.Equal("", Judged(Options, [.. Enumerable.Range(0, members - 1).Select(_ => (1000L, 0L)), (volume, Math.Min(volume, failures))])));

    [Fact]
    public void With_nobody_to_compare_with_nobody_is_judged() => Assert.Equal("", Judged(Options, (1000, 1000), (49, 0), (0, 0)));

    [Fact]
    public void Equal_rates_take_nobody_out_below_the_share_that_nobody_may_reach() =>
        Gen.Select(Gen.Int[2, 12], Gen.Int[1, 50], Gen.Int[0, 84]).Sample((members, hundreds, failing) =>
            Assert.Equal("", Judged(Options, [.. Enumerable.Range(0, members).Select(_ => (hundreds * 100L, hundreds * (long)failing))])));

    // Equal servers differ by chance. A rule of deviations alone takes the worst of ten out nearly always.
    [Theory]
    [InlineData(3, 50, 0.3)]
    [InlineData(3, 1000, 0.3)]
    [InlineData(10, 50, 0.1)]
    [InlineData(10, 1000, 0.02)]
    [InlineData(20, 5000, 0.5)]
    public void Chance_alone_takes_nobody_out(int members, int volume, double share)
    {
        var random = new Random(1);
        for (var interval = 0; interval < 2000; interval++)
        {
            Assert.Equal("", Judged(Options, [.. Enumerable.Range(0, members).Select(_ => ((long)volume, Failures(random, volume, share)))]));
        }
    }

    [Fact]
    public void Four_in_ten_of_the_least_volume_are_found_within_two_intervals_nearly_always()
    {
        var random = new Random(1);
        bool Found() => Judged(Options, (50, Failures(random, 50, 0.002)), (50, Failures(random, 50, 0.4)), (50, Failures(random, 50, 0.002))).StartsWith("1 ", StringComparison.Ordinal);
        var found = Enumerable.Range(0, 2000).Count(_ => Found() || Found());
        Assert.InRange(found, 1998, 2000);
    }

    [Fact]
    public void One_of_many_is_found_by_its_success_rate_where_it_lies_near_the_others()
    {
        var nine = Enumerable.Repeat((1000L, 5L), 9);
        Assert.Equal("9 SuccessRate", Judged(Options, [.. nine, (1000, 100)]));
        Assert.Equal("", Judged(Options with { SuccessRateDeviations = 0 }, [.. nine, (1000, 100)]));
        Assert.Equal("", Judged(Options, [.. nine.Take(3), (1000, 100)])); // of four no deviation can be told
        Assert.Equal("", Judged(Options, [.. nine, (99, 10)])); // too few requests
        Assert.Equal("", Judged(Options, [.. nine, (1000, 50)])); // certain, and no reason to do without it
    }

    [Fact]
    public void One_that_fails_nearly_always_is_out_whatever_the_others_do()
    {
        Assert.Equal("1 FailureShare, 0 FailureShare", Judged(Options, (100, 90), (100, 95)));
        Assert.Equal("", Judged(Options, (100, 84), (100, 84)));
        Assert.Equal("", Judged(Options with { FailureShare = 0 }, (100, 90), (100, 95)));
    }

    [Fact]
    public void The_slowest_is_out_where_latency_counts()
    {
        var options = Options with { LatencyFactor = 3 };
        static Window Of(double milliseconds, long volume = 50) => new(volume, 0, TimeSpan.FromMilliseconds(milliseconds));
        Assert.Equal("half of its answers took more than 400 ms; of the others 50 ms", OutlierRules.Judge([Of(50), Of(400), Of(40)], options).Single().Reason);
        Assert.Empty(OutlierRules.Judge([Of(50), Of(400), Of(40)], Options)); // off by default
        Assert.Empty(OutlierRules.Judge([Of(5), Of(99), Of(4)], options)); // fast enough
        Assert.Empty(OutlierRules.Judge([Of(50), Of(150), Of(40)], options));
        Assert.Empty(OutlierRules.Judge([Of(50), Of(400, volume: 49), Of(40)], options));
        Assert.Empty(OutlierRules.Judge([Of(400), Of(400), Of(400)], options));
        Assert.Equal(0, OutlierRules.Judge([Of(400), Of(40)], options).Single().Index);
    }

    [Fact]
    public void A_median_is_at_most_a_fifth_off() =>
        Gen.Double[1e-6, 3000].Array[1, 200].Sample(seconds =>
        {
            var latencies = new Latencies();
            foreach (var latency in seconds)
            {
                latencies.Add(TimeSpan.FromSeconds(latency));
            }

            var median = seconds.Order().ElementAt((seconds.Length - 1) / 2);
            Assert.InRange(latencies.TakeMedian().TotalSeconds, (median * 0.79) - 2e-6, median * 1.01);
            Assert.Equal(TimeSpan.Zero, latencies.TakeMedian()); // taken
        });

    [Fact]
    public void Faults_are_told_all_at_once()
    {
        Assert.Empty(new OutlierOptions().Faults());
        var options = new OutlierOptions
        {
            ConsecutiveConnectFailures = -1,
            ConsecutiveGatewayErrors = -1,
            ConsecutiveServerErrors = -1,
            Interval = TimeSpan.Zero,
            MinVolume = 0,
            MinMembers = 1,
            FailureShare = 1.1,
            FailureExcess = double.NaN,
            SuccessRateDeviations = -1,
            SuccessRateMinVolume = 0,
            SuccessRateMinMembers = 2,
            LatencyFactor = 1,
            LatencyFloor = TimeSpan.FromSeconds(-1),
            MaxEjectedShare = 0,
            BaseEjection = TimeSpan.Zero,
            MaxEjection = TimeSpan.FromDays(2),
            Jitter = 2,
        };
        Assert.Equal(
            typeof(OutlierOptions).GetProperties().Where(property => property.PropertyType != typeof(bool)).Select(property => property.Name).Order(),
            options.Faults().Select(fault => fault.Split(' ')[0]).Order());
        Assert.Contains("FailureShare is 1.1; it must be 0 (off) to 1.", options.Faults());
        Assert.Contains("MaxEjectedShare is 0; it must be more than 0, and at most 1.", options.Faults());
        Assert.Contains("MinMembers is 1; it must be 2 or more.", options.Faults());
    }

    private static long Failures(Random random, int volume, double share) => Enumerable.Range(0, volume).Count(_ => random.NextDouble() < share);
}
