using CsCheck;

using Microsoft.Extensions.Time.Testing;

namespace ProxyKit.Health.Tests.Probes;

public sealed class ProbeVerdictTests
{
    private static readonly ProbeVerdict New = ProbeVerdict.Of(new Member(new Destination("a", new Uri("http://a"))));

    // h healthy, g degraded, r draining, u unhealthy, d down; U, G, R, D what is believed after each.
    [Theory]
    [InlineData("uuu", "UUD")] // exactly fall failures take it down
    [InlineData("uuhuuhuu", "UUUUUUUU")] // one success between them and they begin anew
    [InlineData("uuuhh", "UUDDU")] // exactly rise successes bring it back
    [InlineData("uuuhuhh", "UUDDDDU")]
    [InlineData("uuuuuuhh", "UUDDDDDU")] // however long it was down
    [InlineData("dhh", "DDU")] // its own word counts at once
    [InlineData("gh", "GU")]
    [InlineData("rh", "RU")]
    [InlineData("guuu", "GGGD")]
    [InlineData("guug", "GGGG")]
    [InlineData("dgg", "DDG")] // back, and as it says
    [InlineData("dhr", "DDR")]
    [InlineData("uugu", "UUGG")]
    public void Fall_failures_take_down_and_rise_successes_bring_back(string results, string beliefs) =>
        Assert.Equal(beliefs, After(results, new ProbeOptions()));

    [Theory]
    [InlineData("h", "U"), InlineData("u", "D"), InlineData("uhh", "DDU"), InlineData("huuu", "UUUD")]
    public void Where_the_first_verdict_is_waited_for_the_first_probe_is_it(string results, string beliefs)
    {
        Assert.Equal(beliefs, After(results, new ProbeOptions { WaitForFirst = true }));
        Assert.Equal(beliefs, After(results, new ProbeOptions { ProveFirst = true }));
    }

    [Fact]
    public void Fall_and_rise_are_exact_whatever_comes()
    {
        var result = Gen.Enum<ProbeStatus>();
        Gen.Select(Gen.Int[1, 5], Gen.Int[1, 5], result.Array[0, 60]).Sample((rise, fall, results) =>
        {
            var options = new ProbeOptions { Rise = rise, Fall = fall };
            var (verdict, down, said) = (New, false, Availability.Up);
            for (var i = 0; i < results.Length; i++)
            {
                verdict = verdict.After(new ProbeResult(results[i], $"{i}"), options);

                // Told from the whole of what came, without a state: what the last ones have in common.
                var failures = results[..(i + 1)].Reverse().TakeWhile(IsFailure).Count();
                var successes = results[..(i + 1)].Reverse().TakeWhile(status => !IsFailure(status)).Count();
                down = down ? successes < rise : results[i] == ProbeStatus.Down || failures >= fall;
                said = IsFailure(results[i]) ? said : results[i] switch
                {
                    ProbeStatus.Degraded => Availability.Degraded,
                    ProbeStatus.Draining => Availability.Draining,
                    _ => Availability.Up,
                };
                Assert.Equal(down ? Availability.Down : said, verdict.Availability);
            }
        });

        static bool IsFailure(ProbeStatus status) => status is ProbeStatus.Unhealthy or ProbeStatus.Down;
    }

    [Fact]
    public void The_reason_is_that_of_the_last_failure_and_stays_while_it_comes_back()
    {
        var options = new ProbeOptions { Fall = 2, Rise = 3 };
        var verdict = New.After(ProbeResult.Unhealthy("answered 503"), options).After(ProbeResult.Unhealthy("connection refused"), options);
        Assert.Equal("connection refused", verdict.Reason);
        verdict = verdict.After(ProbeResult.Unhealthy("answered 500"), options).After(ProbeResult.Healthy, options);
        Assert.Equal((Availability.Down, "answered 500", 1), (verdict.Availability, verdict.Reason, verdict.Streak));
    }

    [Fact]
    public void It_is_asked_faster_while_a_verdict_is_about_to_change_and_otherwise_while_down()
    {
        var options = new ProbeOptions { Interval = Seconds(5), FastInterval = Seconds(1), DownInterval = Seconds(7), Fall = 2, Rise = 2 };
        var verdict = New;
        List<double> intervals = [verdict.IntervalOf(options).TotalSeconds];
        foreach (var result in (ProbeResult[])[ProbeResult.Unhealthy(""), ProbeResult.Unhealthy(""), ProbeResult.Healthy, ProbeResult.Healthy])
        {
            verdict = verdict.After(result, options);
            intervals.Add(verdict.IntervalOf(options).TotalSeconds);
        }

        Assert.Equal([5, 1, 7, 1, 5], intervals);
        Assert.Equal(Seconds(0.5), New.After(ProbeResult.Unhealthy(""), options).IntervalOf(options with { Interval = Seconds(0.5) }));
    }

    [Fact]
    public void It_begins_with_what_the_pool_believes()
    {
        var time = new FakeTimeProvider();
        using var pool = new Pool("p", [new Destination("a", new Uri("http://a"))], PoolSettings.Default.With(Probing.Unproven), time: time);
        var unproven = ProbeVerdict.Of(pool.Snapshot.Members[0]);
        Assert.Equal((Availability.Down, false), (unproven.Availability, unproven.IsJudged));
        Assert.Equal(Availability.Up, unproven.After(ProbeResult.Healthy, new ProbeOptions()).Availability); // one success proves it
        pool.Believe("a", "outliers", Availability.Down);
        pool.Believe("a", "probe", Availability.Up);
        Assert.Equal(Availability.Up, ProbeVerdict.Of(pool.Snapshot.Members[0]).Availability); // what others think is theirs
    }

    private static string After(string results, ProbeOptions options)
    {
        var (verdict, beliefs) = (New, "");
        foreach (var result in results)
        {
            verdict = verdict.After(
                result switch
                {
                    'h' => ProbeResult.Healthy,
                    'g' => ProbeResult.Degraded("g"),
                    'r' => ProbeResult.Draining("r"),
                    'd' => ProbeResult.Down("d"),
                    _ => ProbeResult.Unhealthy("u"),
                },
                options);
            beliefs += verdict.Availability switch
            {
                Availability.Up => 'U',
                Availability.Degraded => 'G',
                Availability.Draining => 'R',
                _ => 'D',
            };
        }

        return beliefs;
    }

    private static TimeSpan Seconds(double seconds) => TimeSpan.FromSeconds(seconds);
}
