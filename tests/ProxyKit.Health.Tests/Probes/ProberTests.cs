using System.Diagnostics;
using System.Diagnostics.Metrics;

using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.Metrics.Testing;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Time.Testing;

namespace ProxyKit.Health.Tests.Probes;

public sealed class ProberTests
{
    private static readonly TaskCompletionSource<ProbeResult> Never = new();

    [Fact]
    public async Task One_that_fails_is_taken_out_with_a_reason_and_comes_back()
    {
        await using var run = new ProbeRun();
        await run.RestAsync();
        Assert.Equal(["a", "b", "c"], run.Probe.Asked.Select(context => context.Destination.Name).Order());
        run.Probe.Answer("b", ProbeResult.Unhealthy("answered 503"));
        await run.GoAsync(11);
        Assert.Equal((Availability.Down, "answered 503"), (run.Of("b"), run.BeliefOf("b")?.Reason));
        Assert.DoesNotContain("b", run.Pool.Snapshot.Available.Select(member => member.Destination.Name));
        run.Probe.Answer("b", ProbeResult.Unhealthy("connection refused"));
        await run.GoAsync(7);
        Assert.Equal("connection refused", run.BeliefOf("b")?.Reason);
        run.Probe.Answer("b", ProbeResult.Healthy);
        await run.GoAsync(8);
        Assert.Null(run.BeliefOf("b"));
        Assert.Equal(["b Active Down: answered 503", "b Down Active: its probes succeed"], run.Changes);
    }

    [Theory]
    [InlineData(true, MemberStanding.Active)]
    [InlineData(false, MemberStanding.Down)]
    public async Task A_success_ends_an_ejection_before_its_time_where_that_is_asked_for(bool unejects, MemberStanding standing)
    {
        var time = new FakeTimeProvider();
        var settings = PoolSettings.Default.With(new OutlierOptions { ProbeUnejects = unejects, BaseEjection = TimeSpan.FromMinutes(1) }).WithProbe(new ScriptedProbe());
        using var pool = new Pool("orders", [ProbeRun.Named("a"), ProbeRun.Named("b")], settings, [new OutlierDetection()], time, seed: 1);
        await using var prober = Prober.Start(pool);
        await Eventually.TrueAsync(() => prober.Progress.Running == 0);
        while (pool.Snapshot.Find("a")!.Standing == MemberStanding.Active)
        {
            Assert.Equal(PickStatus.Picked, pool.TryPick(out var lease, preferred: pool.Snapshot.Find("a")));
            lease.Report(OutcomeKind.NotConnected);
            lease.Dispose();
        }

        for (var step = 0; step < 200; step++)
        {
            time.Advance(TimeSpan.FromSeconds(0.05));
            await Eventually.TrueAsync(() => prober.Progress is var (taken, running) && taken == pool.Snapshot && running == 0);
        }

        Assert.Equal(standing, pool.Snapshot.Find("a")!.Standing);
    }

    [Fact]
    public async Task It_takes_exactly_the_failures_asked_for()
    {
        await using var run = new ProbeRun(new ProbeOptions { Fall = 4, Rise = 3, Jitter = 0 }, "a", "b");
        await run.RestAsync();
        run.Probe.Answer("a", ProbeResult.Unhealthy("x"));
        for (var before = run.Probe.CountOf("a"); run.Of("a") == Availability.Up;)
        {
            await run.GoAsync(0.05);
            Assert.Equal(run.Probe.CountOf("a") - before >= 4 ? Availability.Down : Availability.Up, run.Of("a"));
        }

        run.Probe.Answer("a", ProbeResult.Healthy);
        for (var before = run.Probe.CountOf("a"); run.Of("a") == Availability.Down;)
        {
            await run.GoAsync(0.05);
            Assert.Equal(run.Probe.CountOf("a") - before >= 3 ? Availability.Up : Availability.Down, run.Of("a"));
        }
    }

    [Theory]
    [InlineData(ProbeStatus.Degraded, MemberStanding.Degraded), InlineData(ProbeStatus.Draining, MemberStanding.Draining), InlineData(ProbeStatus.Down, MemberStanding.Down)]
    public async Task What_one_says_of_itself_is_believed_at_once(ProbeStatus status, MemberStanding standing)
    {
        await using var run = new ProbeRun();
        await run.RestAsync();
        run.Probe.Answer("a", new ProbeResult(status, "it says so"));
        await run.GoAsync(6);
        Assert.Equal((standing, "it says so"), (run.Pool.Snapshot.Find("a")!.Standing, run.BeliefOf("a")?.Reason));
    }

    [Fact]
    public async Task What_must_be_proven_first_gets_nothing_before_its_first_success()
    {
        var gate = new TaskCompletionSource();
        await using var run = new ProbeRun(new ProbeOptions { ProveFirst = true }, "a", "b");
        await run.RestAsync();
        Assert.True(run.Pool.Ready.IsCompleted);
        Assert.Equal(2, run.Pool.Snapshot.Available.Length);
        run.Probe.Hold("c", gate.Task);
        run.Pool.Update([.. run.Pool.Snapshot.Members.Select(member => member.Destination), ProbeRun.Named("c")]);
        await run.RestAsync();
        Assert.Equal((Availability.Down, "no probe has succeeded yet"), (run.Of("c"), run.BeliefOf("c")?.Reason));
        gate.SetResult();
        await run.RestAsync();
        await Eventually.TrueAsync(() => run.Of("c") == Availability.Up);
    }

    [Theory]
    [InlineData(true), InlineData(false)]
    public async Task The_pool_is_ready_once_each_has_its_first_verdict_where_that_is_waited_for(bool proveFirst)
    {
        var gate = new TaskCompletionSource();
        var probe = new ScriptedProbe();
        probe.Hold("b", gate.Task);
        probe.Answer("c", ProbeResult.Unhealthy("answered 503"));
        using var pool = new Pool("p", [ProbeRun.Named("a"), ProbeRun.Named("b"), ProbeRun.Named("c")], PoolSettings.Default.WithProbe(probe, new ProbeOptions { ProveFirst = proveFirst, WaitForFirst = !proveFirst }));
        await using var prober = Prober.Start(pool);
        await Eventually.TrueAsync(() => probe.Asked.Count == 3 && prober.Progress.Running == 1);
        Assert.False(pool.Ready.IsCompleted);
        gate.SetResult();
        await pool.Ready.WaitAsync(TestContext.Current.CancellationToken);
        Assert.Equal(["a", "b"], pool.Snapshot.Available.Select(member => member.Destination.Name)); // one failure is c's first verdict
    }

    [Fact]
    public async Task Nobody_waits_for_verdicts_unless_asked_and_what_is_unknown_is_used()
    {
        await using var run = new ProbeRun();
        run.Probe.Hold("a", Never.Task);
        Assert.True(run.Pool.Ready.IsCompleted);
        Assert.Equal(3, run.Pool.Snapshot.Available.Length);
    }

    [Fact]
    public async Task The_first_set_of_a_source_is_waited_for_as_well()
    {
        var probe = new ScriptedProbe();
        var gate = new TaskCompletionSource();
        probe.Hold("a", gate.Task);
        using var pool = new Pool("p", [], PoolSettings.Default.WithProbe(probe, new ProbeOptions { WaitForFirst = true }).With<IDestinationSource>(new NoSource()));
        await using var prober = Prober.Start(pool);
        await Eventually.TrueAsync(() => prober.Progress.Taken == pool.Snapshot);
        pool.Update([ProbeRun.Named("a")]);
        await Eventually.TrueAsync(() => probe.Held == 1);
        Assert.False(pool.Ready.IsCompleted);
        gate.SetResult();
        await pool.Ready.WaitAsync(TestContext.Current.CancellationToken);
    }

    [Fact]
    public async Task A_reload_keeps_verdicts_and_counts_on()
    {
        await using var run = new ProbeRun();
        await run.RestAsync();
        run.Probe.Answer("a", ProbeResult.Unhealthy("x"));
        run.Probe.Answer("b", ProbeResult.Unhealthy("x"));
        await run.GoAsync(11);
        run.Probe.Answer("a", ProbeResult.Healthy);
        var count = run.Probe.CountOf("a");
        while (run.Probe.CountOf("a") == count)
        {
            await run.GoAsync(0.05); // one of the two successes that it takes
        }

        run.Pool.Update([.. run.Pool.Snapshot.Members.Select(member => member.Destination with { Weight = 2 })], PoolSettings.Default.WithProbe(run.Probe, new ProbeOptions { Interval = TimeSpan.FromSeconds(4) }));
        await run.RestAsync();
        Assert.Equal((Availability.Down, Availability.Down), (run.Of("a"), run.Of("b")));
        await run.GoAsync(1.5);
        Assert.Equal((count + 2, Availability.Up), (run.Probe.CountOf("a"), run.Of("a")));
        Assert.Equal(Availability.Down, run.Of("b"));
    }

    [Fact]
    public async Task Where_probing_ends_its_beliefs_are_taken_back_and_no_others()
    {
        await using var run = new ProbeRun();
        await run.RestAsync();
        run.Probe.Answer("a", ProbeResult.Down("x"));
        await run.GoAsync(6);
        run.Pool.Believe("a", "outliers", Availability.Down, "y");
        run.Pool.Update(null, PoolSettings.Default);
        await Eventually.TrueAsync(() => run.BeliefOf("a") is null);
        Assert.Equal("outliers", Assert.Single(run.Pool.Snapshot.Find("a")!.Beliefs).Source);
        var asked = run.Probe.Asked.Count;
        await run.GoAsync(20);
        Assert.Equal(asked, run.Probe.Asked.Count);

        // And begins again.
        run.Pool.Update(null, PoolSettings.Default.WithProbe(run.Probe));
        await Eventually.TrueAsync(() => run.Probe.Asked.Count == asked + 3);
    }

    [Fact]
    public async Task Disposing_it_takes_its_beliefs_back()
    {
        var run = new ProbeRun();
        run.Probe.Answer("a", ProbeResult.Down("x"));
        await run.GoAsync(6);
        Assert.Equal(Availability.Down, run.Of("a"));
        await run.Prober.DisposeAsync();
        Assert.Equal(Availability.Up, run.Of("a"));
        var asked = run.Probe.Asked.Count;
        run.Time.Advance(TimeSpan.FromSeconds(60));
        Assert.Equal(asked, run.Probe.Asked.Count);
        run.Pool.Dispose();
    }

    [Fact]
    public async Task A_removed_one_is_probed_no_more_and_its_last_probe_is_not_listened_to()
    {
        var gate = new TaskCompletionSource();
        await using var run = new ProbeRun(new ProbeOptions { Timeout = TimeSpan.FromSeconds(60), ProveFirst = true }, "a", "b");
        run.Probe.Hold("b", gate.Task);
        await Eventually.TrueAsync(() => run.Probe.CountOf("a") == 1);
        await run.GoAsync(6);
        var held = run.Probe.Held;
        run.Probe.Answer("b", ProbeResult.Unhealthy("the new one"));
        run.Pool.Update([ProbeRun.Named("a"), new Destination("b", new Uri("http://elsewhere"))]);
        await Eventually.TrueAsync(() => run.BeliefOf("b")?.Reason == "the new one");
        gate.SetResult();
        await Eventually.TrueAsync(() => run.Probe.Held == 0);
        await run.GoAsync(0.1);
        Assert.Equal((1, "the new one"), (held, run.BeliefOf("b")?.Reason));
        run.Pool.Update([ProbeRun.Named("a")]);
        var asked = run.Probe.CountOf("b");
        await run.GoAsync(20);
        Assert.Equal(asked, run.Probe.CountOf("b"));
    }

    [Fact]
    public async Task A_probe_has_no_more_than_its_time()
    {
        await using var run = new ProbeRun(new ProbeOptions { Fall = 1 });
        await run.RestAsync();
        run.Probe.Hold("a", Never.Task);
        while (run.Probe.Held == 0)
        {
            await run.GoAsync(0.05);
        }

        await run.GoAsync(1.9);
        Assert.Equal((1, Availability.Up), (run.Probe.Held, run.Of("a")));
        run.Time.Advance(TimeSpan.FromSeconds(0.1));
        await Eventually.TrueAsync(() => run.Of("a") == Availability.Down);
        Assert.Equal("no answer within 2 s", run.BeliefOf("a")?.Reason);
    }

    [Fact]
    public async Task One_that_takes_no_notice_of_its_time_is_not_asked_twice_at_once_and_still_fails()
    {
        var gate = new TaskCompletionSource();
        await using var run = new ProbeRun(new ProbeOptions { Fall = 3 });
        await run.RestAsync();
        run.Probe.Hold("a", gate.Task, heeds: false);
        for (var i = 0; i < 200; i++)
        {
            run.Time.Advance(TimeSpan.FromSeconds(0.1));
            await Eventually.TrueAsync(() => run.Prober.Progress.Running <= 1);
            Assert.InRange(run.Probe.Held, 0, 1);
        }

        await Eventually.TrueAsync(() => run.Of("a") == Availability.Down);
        Assert.Equal(2, run.Probe.CountOf("a"));
        Assert.StartsWith("no answer within 2 s", run.BeliefOf("a")?.Reason, StringComparison.Ordinal);
        Assert.True(run.Probe.CountOf("b") >= 4);
        run.Probe.Answer("a", ProbeResult.Healthy);
        gate.SetResult();
        await Eventually.TrueAsync(() => run.Probe.Held == 0);
        await run.GoAsync(12);
        Assert.Equal(Availability.Up, run.Of("a"));
    }

    [Fact]
    public async Task One_that_blocks_its_thread_delays_no_other()
    {
        using var gate = new ManualResetEventSlim();
        var opened = true;
        await using var run = new ProbeRun(null, "a", "b", "c", "d");
        await run.RestAsync();
        run.Probe.Answer("a", _ =>
        {
            opened = gate.Wait(TimeSpan.FromSeconds(10), TestContext.Current.CancellationToken);
            return new(ProbeResult.Healthy);
        });
        for (var i = 0; i < 210; i++)
        {
            run.Time.Advance(TimeSpan.FromSeconds(0.1));
            await Eventually.TrueAsync(() => run.Prober.Progress.Running <= 1);
        }

        Assert.All(["b", "c", "d"], name => Assert.InRange(run.Probe.CountOf(name), 4, 5));
        Assert.True(opened); // nobody has waited for it
        gate.Set();
    }

    [Fact]
    public async Task A_probe_that_throws_fails_and_that_is_told_once_until_it_succeeds()
    {
        await using var run = new ProbeRun(new ProbeOptions { Fall = 2 });
        await run.RestAsync();
        run.Probe.Answer("a", _ => throw new InvalidOperationException("a bug"));
        await run.GoAsync(20);
        Assert.Equal((Availability.Down, "its probe failed: a bug"), (run.Of("a"), run.BeliefOf("a")?.Reason));
        var told = Assert.Single(run.Log.Collector.GetSnapshot());
        Assert.Equal(LogLevel.Warning, told.Level);
        Assert.IsType<InvalidOperationException>(told.Exception);
        run.Probe.Answer("a", ProbeResult.Healthy);
        await run.GoAsync(8);
        run.Probe.Answer("a", _ => throw new InvalidOperationException("another"));
        await run.GoAsync(20);
        Assert.Equal(2, run.Log.Collector.Count);
    }

    [Fact]
    public async Task Who_hears_of_a_change_and_throws_ends_no_probing()
    {
        await using var run = new ProbeRun();
        run.Pool.MemberChanged += Throw;
        await run.RestAsync();
        run.Probe.Answer("a", ProbeResult.Down("x"));
        await run.GoAsync(6);
        var count = run.Probe.CountOf("a");
        await run.GoAsync(11);
        Assert.InRange(run.Probe.CountOf("a"), count + 2, count + 3);
        run.Pool.Update([ProbeRun.Named("a"), ProbeRun.Named("d")]);
        await Eventually.TrueAsync(() => run.Probe.CountOf("d") == 1);
        run.Pool.MemberChanged -= Throw;

        static void Throw(object? sender, MemberChange change) => throw new InvalidOperationException("a handler");
    }

    [Fact]
    public async Task One_that_another_source_takes_down_is_probed_soon()
    {
        await using var run = new ProbeRun(new ProbeOptions { Interval = TimeSpan.FromSeconds(60) }, "a", "b");
        await run.GoAsync(121);
        var count = run.Probe.CountOf("a");
        await run.GoAsync(5);
        Assert.InRange(run.Probe.CountOf("a"), count, count + 1);
        count = run.Probe.CountOf("a");
        run.Pool.Believe("a", "outliers", Availability.Down, "5 failures in a row");
        for (var i = 0; i < 100 && run.Probe.CountOf("a") == count; i++)
        {
            await Task.Delay(TimeSpan.FromMilliseconds(1), TimeProvider.System, TestContext.Current.CancellationToken);
            await run.GoAsync(0.05);
        }

        Assert.Equal(count + 1, run.Probe.CountOf("a"));
        await run.GoAsync(5);
        Assert.Equal(count + 1, run.Probe.CountOf("a"));
    }

    [Fact]
    public async Task A_probe_is_told_whom_to_ask_and_by_what_means()
    {
        var probe = new ScriptedProbe();
        var header = new StateHeaderOptions { Name = "X-State" };
        using var pool = new Pool("orders", [ProbeRun.Named("a")], PoolSettings.Default.WithProbe(probe).With(header));
        using var client = new HttpClient();
        await using (var prober = Prober.Start(pool, client))
        {
            await Eventually.TrueAsync(() => probe.Asked.Count == 1);
            Assert.Same(client, probe.Asked[0].Client);
        }

        var context = probe.Asked[0];
        Assert.Equal(("orders", "a", "X-State", pool.Time), (context.Pool, context.Destination.Name, context.StateHeader?.Name, context.Time));
        client.CancelPendingRequests(); // it was lent, and is not disposed of
        Assert.Contains("needs a client", Assert.Throws<InvalidOperationException>(() => new ProbeContext(ProbeRun.Named("a")).Client).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Probes_are_counted_and_timed_by_what_came_of_them()
    {
        await using var services = new ServiceCollection().AddMetrics().BuildServiceProvider();
        var meters = services.GetRequiredService<IMeterFactory>();
        using var probes = new MetricCollector<long>(meters, "ProxyKit.Health", "proxykit.health.probes");
        using var durations = new MetricCollector<double>(meters, "ProxyKit.Health", "proxykit.health.probe.duration");
        var probe = new ScriptedProbe();
        probe.Answer("b", ProbeResult.Unhealthy("x"));
        using var pool = new Pool("orders", [ProbeRun.Named("a"), ProbeRun.Named("b")], PoolSettings.Default.WithProbe(probe));
        await using var prober = Prober.Start(pool, meters: meters);
        await probes.WaitForMeasurementsAsync(2, TestContext.Current.CancellationToken);
        await durations.WaitForMeasurementsAsync(2, TestContext.Current.CancellationToken);
        Assert.Equal(
            ["orders a healthy 1", "orders b unhealthy 1"],
            probes.GetMeasurementSnapshot().Select(one => $"{one.Tags["proxykit.pool.name"]} {one.Tags["proxykit.destination.name"]} {one.Tags["proxykit.probe.result"]} {one.Value}").Order());
        Assert.All(durations.GetMeasurementSnapshot(), one => Assert.InRange(one.Value, 0, 10));
    }

    [Fact]
    public async Task A_probe_is_a_span_only_where_somebody_listens_for_that_and_nobody_is_its_parent()
    {
        var spans = new List<Activity>();
        var parents = new List<string?>();
        var probe = new ScriptedProbe();
        probe.Answer("a", _ =>
        {
            lock (parents)
            {
                parents.Add(Activity.Current?.OperationName);
            }

            return new(ProbeResult.Unhealthy("answered 503"));
        });
        using var pool = new Pool("spans", [ProbeRun.Named("a")], PoolSettings.Default.WithProbe(probe));
        using (var outer = new Activity("outer").Start())
        {
            await using var silent = Prober.Start(pool);
            await Eventually.TrueAsync(() => probe.Asked.Count == 1);
        }

        using var listener = new ActivityListener
        {
            ShouldListenTo = source => source.Name == "ProxyKit.Health.Probes",
            Sample = (ref _) => ActivitySamplingResult.AllData,
            ActivityStopped = span =>
            {
                lock (spans)
                {
                    spans.Add(span);
                }
            },
        };
        ActivitySource.AddActivityListener(listener);
        using (var outer = new Activity("outer").Start())
        {
            await using var prober = Prober.Start(pool);
            await Eventually.TrueAsync(() => Mine().Any());
        }

        var mine = Mine().First();
        Assert.Null(mine.ParentId);
        Assert.Equal(("unhealthy", ActivityStatusCode.Error, "answered 503"), (mine.GetTagItem("proxykit.probe.result"), mine.Status, mine.StatusDescription));
        Assert.Equal([null, "probe"], parents.Take(2));

        IEnumerable<Activity> Mine()
        {
            lock (spans)
            {
                return [.. spans.Where(span => Equals(span.GetTagItem("proxykit.pool.name"), "spans"))];
            }
        }
    }

    private sealed class NoSource : IDestinationSource
    {
        public IAsyncEnumerable<IReadOnlyList<Destination>> WatchAsync(CancellationToken cancellationToken) => AsyncEnumerable.Empty<IReadOnlyList<Destination>>();
    }
}
