using System.Diagnostics;
using System.Diagnostics.Metrics;

using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.Metrics.Testing;
using Microsoft.Extensions.Logging;

namespace ProxyKit.Forwarding.Tests;

public sealed class EngineTests
{
    private static readonly HttpRequestException Refused = new(HttpRequestError.ConnectionError, "Connection refused");
    private static readonly HttpRequestException Broken = new(HttpRequestError.ResponseEnded, "The response ended prematurely.");

    [Fact]
    public async Task An_answer_is_relayed_and_its_seat_is_free()
    {
        await using var run = new EngineRun();
        run.Backends.On("a", 200, "here");
        Assert.Equal((200, "here"), await run.GetAsync());
    }

    [Theory]
    [InlineData("GET", "a b c", 502)]
    [InlineData("POST", "a", 502)]
    public async Task What_broke_is_asked_of_each_other_member_only_where_it_may_be_repeated(string method, string asked, int status)
    {
        await using var run = new EngineRun();
        run.Backends.Fails("a", Broken).Fails("b", Broken).Fails("c", Broken);
        Assert.Equal(status, (await run.GetAsync(method)).Status);
        Assert.Equal(asked, string.Join(' ', run.Backends.Asked));
    }

    [Theory]
    [InlineData("GET", 200, "a b", "here")]
    [InlineData("POST", 502, "a", "")]
    public async Task A_body_that_breaks_before_the_client_was_told_anything_is_asked_of_another_where_it_may_be_repeated(string method, int status, string asked, string text)
    {
        await using var run = new EngineRun();
        run.Backends.On("a", (_, _) => Task.FromResult<HttpResponseMessage>(new Answer(200, "") { Content = new BrokenContent(), Headers = { { "X-From", "a" } } })).On("b", 200, "here");
        DefaultHttpContext? served = null;
        var (got, body) = await run.GetAsync(method, context => served = context);
        Assert.Equal((status, asked), (got, string.Join(' ', run.Backends.Asked)));
        Assert.Equal(text, status == 200 ? body : "");
        Assert.False(served!.Response.Headers.ContainsKey("X-From")); // nothing of what was dropped
    }

    [Fact]
    public async Task Where_every_body_breaks_before_the_client_was_told_anything_it_is_told_so()
    {
        await using var run = new EngineRun();
        foreach (var name in (string[])["a", "b", "c"])
        {
            run.Backends.On(name, (_, _) => Task.FromResult<HttpResponseMessage>(new Answer(200, "") { Content = new BrokenContent() }));
        }

        Assert.Equal(502, (await run.GetAsync()).Status);
        Assert.Equal("a b c", string.Join(' ', run.Backends.Asked));
    }

    [Fact]
    public async Task What_was_never_sent_is_asked_of_another_whatever_the_method()
    {
        await using var run = new EngineRun();
        run.Backends.Fails("a", Refused).On("b", 200, "here");
        Assert.Equal((200, "here"), await run.GetAsync("POST"));
    }

    // Found by the failure matrix: backends restarted one after the other, faster than they are believed to be back.
    [Theory]
    [InlineData("GET")]
    [InlineData("POST")]
    public async Task Where_those_believed_well_cannot_be_reached_one_believed_down_is_asked(string method)
    {
        await using var run = new EngineRun();
        run.Pool.SetAvailable("a", "probe", available: false);
        run.Pool.SetAvailable("b", "outliers", available: false);
        run.Backends.Fails("a", Refused).On("b", 200, "here").Fails("c", Refused);
        Assert.Equal((200, "here"), await run.GetAsync(method));
        Assert.StartsWith("c ", string.Join(' ', run.Backends.Asked), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_handler_of_ones_own_may_throw_anything_and_leaves_nothing_behind()
    {
        await using var run = new EngineRun(members: 1);
        run.Backends.Fails("a", new NotSupportedException("mine"));
        Assert.Equal(502, (await run.GetAsync("POST")).Status);
    }

    [Fact]
    public async Task The_last_bad_answer_is_relayed_where_nobody_is_left()
    {
        await using var run = new EngineRun(members: 2);
        run.Backends.On("a", 503, "first").On("b", 503, "second");
        Assert.Equal((503, "second"), await run.GetAsync());
    }

    [Fact]
    public async Task A_retry_with_a_bad_answer_in_hand_waits_in_no_queue()
    {
        await using var run = new EngineRun(
            pool => pool.WithLimits(new LimitOptions { MaxPerDestination = 1, QueueLength = 10, QueueTimeout = TimeSpan.FromMinutes(1) }), members: 2);
        var gate = new TaskCompletionSource<HttpResponseMessage>();
        run.Backends.On("a", (_, _) => gate.Task).On("b", 503, "bad");
        var first = run.GetAsync();
        Assert.Equal((503, "bad"), await run.GetAsync());
        gate.SetResult(new Answer(200, "here"));
        Assert.Equal((200, "here"), await first);
    }

    [Fact]
    public async Task Once_the_total_is_reached_nobody_else_is_asked_or_blamed()
    {
        await using var run = new EngineRun(pool => pool.WithTimeouts(new TimeoutOptions { Total = TimeSpan.FromSeconds(5) }));
        run.Backends.Hangs("a").On("b", 200).On("c", 200);
        var asked = run.GetAsync();
        run.Time.Advance(TimeSpan.FromSeconds(6));
        var (status, text) = await asked;
        Assert.Equal(504, status);
        Assert.Contains("Total", text, StringComparison.Ordinal);
        Assert.Equal(["a"], run.Backends.Asked);
    }

    [Fact]
    public async Task The_first_byte_has_a_limit_for_each_attempt()
    {
        await using var run = new EngineRun(pool => pool.WithTimeouts(new TimeoutOptions { FirstByte = TimeSpan.FromSeconds(5) }), members: 2);
        run.Backends.Hangs("a").On("b", 200, "here");
        var asked = run.GetAsync();
        run.Time.Advance(TimeSpan.FromSeconds(6));
        Assert.Equal((200, "here"), await asked);
    }

    [Fact]
    public async Task A_client_that_leaves_is_nobodys_failure_and_asks_nobody_else()
    {
        using var left = new CancellationTokenSource();
        await using var run = new EngineRun();
        run.Backends.Hangs("a");
        using var refusals = new MetricCollector<long>(run.Services.GetRequiredService<IMeterFactory>(), ForwardingMetrics.Name, "proxykit.forwarding.refusals");
        var asked = run.GetAsync(change: context => context.RequestAborted = left.Token);
        await left.CancelAsync();
        Assert.Equal(499, (await asked).Status);
        Assert.Equal(["a"], run.Backends.Asked);
        Assert.Empty(refusals.GetMeasurementSnapshot());
        Assert.DoesNotContain(run.Logged, record => record.Id.Name == "AttemptFailed");
    }

    [Fact]
    public async Task A_client_that_leaves_the_queue_was_not_refused()
    {
        using var left = new CancellationTokenSource();
        await using var run = new EngineRun(pool => pool.WithLimits(new LimitOptions { MaxPerDestination = 1, QueueLength = 10, QueueTimeout = TimeSpan.FromMinutes(1) }), members: 1);
        var gate = new TaskCompletionSource<HttpResponseMessage>();
        run.Backends.On("a", (_, _) => gate.Task);
        var first = run.GetAsync();
        var second = run.GetAsync(change: context => context.RequestAborted = left.Token);
        await left.CancelAsync();
        Assert.Equal(499, (await second).Status);
        Assert.DoesNotContain(run.Logged, record => record.Id.Name == "NoDestination");
        gate.SetResult(new Answer(200, ""));
        await first;
    }

    [Fact]
    public async Task That_nobody_can_serve_is_said_once_and_so_is_that_somebody_can_again()
    {
        await using var run = new EngineRun(members: 1);
        run.Backends.On("a", 200);
        run.Pool.SetState(run.Pool.Snapshot.Members[0].Destination.Name, MemberState.Off);
        for (var i = 0; i < 3; i++)
        {
            Assert.Equal(503, (await run.GetAsync()).Status);
        }

        run.Pool.SetState(run.Pool.Snapshot.Members[0].Destination.Name, MemberState.Active);
        for (var i = 0; i < 3; i++)
        {
            Assert.Equal(200, (await run.GetAsync()).Status);
        }

        Assert.Equal(["NoDestination", "DestinationBack"], run.Logged.Select(record => record.Id.Name).Where(name => name is "NoDestination" or "DestinationBack"));
    }

    [Fact]
    public async Task A_failed_attempt_is_no_warning_and_says_no_target()
    {
        await using var run = new EngineRun();
        run.Backends.Fails("a", Refused).On("b", 200);
        await run.GetAsync(change: context => context.Request.QueryString = new QueryString("?token=secret"));
        var failed = Assert.Single(run.Logged, record => record.Id.Name == "AttemptFailed");
        Assert.Equal(LogLevel.Information, failed.Level);
        Assert.DoesNotContain(run.Logged, record => record.Message.Contains("secret", StringComparison.Ordinal) || record.Level > LogLevel.Information);
    }

    [Fact]
    public async Task A_transform_that_throws_leaves_nothing_behind_and_blames_no_member()
    {
        await using var run = new EngineRun(route: route => route.TransformResponse((ResponseTransformContext _) => throw new InvalidTimeZoneException("mine")));
        run.Backends.On("a", 200, "here");
        Assert.Equal(500, (await run.GetAsync()).Status);

        await using var other = new EngineRun(route: route => route.TransformRequest((RequestTransformContext _) => throw new InvalidTimeZoneException("mine")));
        Assert.Equal(500, (await other.GetAsync()).Status);
        Assert.Empty(other.Backends.Asked);
    }

    [Fact]
    public async Task Attempts_and_retries_are_measured_under_their_names()
    {
        await using var run = new EngineRun();
        run.Backends.Fails("a", Refused).On("b", 200);
        var meters = run.Services.GetRequiredService<IMeterFactory>();
        using var attempts = new MetricCollector<double>(meters, ForwardingMetrics.Name, "proxykit.forwarding.attempt.duration");
        using var retries = new MetricCollector<long>(meters, ForwardingMetrics.Name, "proxykit.forwarding.retries");
        await run.GetAsync();
        Assert.Equal(["not_connected", "answered"], attempts.GetMeasurementSnapshot().Select(measured => measured.Tags["proxykit.attempt.outcome"]));
        Assert.All(attempts.GetMeasurementSnapshot(), measured => Assert.Equal("p", measured.Tags["proxykit.pool.name"]));
        Assert.Equal("retry", Assert.Single(retries.GetMeasurementSnapshot()).Tags["proxykit.retry.kind"]);
    }

    [Fact]
    public async Task Each_attempt_has_a_span_of_its_own_that_the_destination_hears_of()
    {
        var spans = new List<Activity>();
        using var listener = new ActivityListener
        {
            ShouldListenTo = source => source.Name == ForwardingMetrics.Name,
            Sample = (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllData,
            ActivityStopped = span =>
            {
                lock (spans)
                {
                    spans.Add(span);
                }
            },
        };
        ActivitySource.AddActivityListener(listener);
        using var root = new Activity("test").Start();
        string? told = null;
        await using var run = new EngineRun();
        run.Backends.Fails("a", Refused).On("b", (request, _) =>
        {
            told = request.Field("traceparent");
            return Task.FromResult<HttpResponseMessage>(new Answer(200, ""));
        });
        await run.GetAsync();
        List<Activity> mine;
        lock (spans)
        {
            mine = [.. spans.Where(span => span.TraceId == root.TraceId)]; // other tests run at the same time
        }

        Assert.Equal(2, mine.Count);
        Assert.Equal([ActivityStatusCode.Error, ActivityStatusCode.Unset], mine.Select(span => span.Status));
        Assert.Equal(1, mine[1].GetTagItem("http.request.resend_count"));
        Assert.Contains(mine[1].SpanId.ToHexString(), told, StringComparison.Ordinal);
        Assert.All(mine, span => Assert.DoesNotContain(span.TagObjects, tag => tag.Key.StartsWith("url", StringComparison.Ordinal)));
    }

    /// <summary>A body of known length whose connection dies before its first byte.</summary>
    private sealed class BrokenContent : HttpContent
    {
        protected override Task SerializeToStreamAsync(Stream stream, System.Net.TransportContext? context) => Task.FromException(new IOException("The connection died."));

        protected override Task<Stream> CreateContentReadStreamAsync() => Task.FromException<Stream>(new IOException("The connection died."));

        protected override bool TryComputeLength(out long length)
        {
            length = 5;
            return true;
        }
    }
}
