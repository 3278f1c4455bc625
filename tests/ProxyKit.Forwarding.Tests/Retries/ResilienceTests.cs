using Microsoft.Extensions.Time.Testing;

using Polly;
using Polly.CircuitBreaker;
using Polly.Hedging;
using Polly.Retry;

namespace ProxyKit.Forwarding.Tests;

/// <summary>Polly pipelines of the user's own around the attempts.</summary>
public sealed class ResilienceTests
{
    private static readonly HttpRequestException Broken = new(HttpRequestError.ResponseEnded, "The response ended prematurely.");

    [Fact]
    public async Task A_retry_strategy_asks_again_and_what_it_drops_is_let_go()
    {
        await using var run = Through(pipeline => pipeline.AddRetry(new RetryStrategyOptions<HttpResponseMessage>
        {
            ShouldHandle = static outcome => ValueTask.FromResult(outcome.Outcome.Result is { IsSuccessStatusCode: false }),
            Delay = TimeSpan.Zero,
        }));
        run.Backends.On("a", 500, "first").On("b", 500, "second").On("c", 200, "third");
        Assert.Equal((200, "third"), await run.GetAsync());
    }

    [Fact]
    public async Task The_last_answer_of_a_retry_strategy_is_relayed()
    {
        await using var run = Through(pipeline => pipeline.AddRetry(new RetryStrategyOptions<HttpResponseMessage>
        {
            ShouldHandle = static _ => ValueTask.FromResult(true),
            Delay = TimeSpan.Zero,
            MaxRetryAttempts = 2,
        }));
        run.Backends.On("a", 500, "first").On("b", 500, "second").On("c", 500, "third");
        Assert.Equal((500, "third"), await run.GetAsync());
    }

    [Fact]
    public async Task An_open_circuit_refuses_at_once_with_503()
    {
        var circuit = new CircuitBreakerManualControl(isIsolated: true);
        await using var run = Through(pipeline => pipeline.AddCircuitBreaker(new CircuitBreakerStrategyOptions<HttpResponseMessage> { ManualControl = circuit }));
        Assert.Equal(503, (await run.GetAsync()).Status);
        Assert.Empty(run.Backends.Asked);
    }

    [Fact]
    public async Task A_circuit_that_opens_between_two_tries_lets_the_first_answer_go()
    {
        // The strategy disposed of the answer when it went on: relaying it would fail midway.
        var circuit = new CircuitBreakerManualControl();
        await using var run = Through(pipeline => pipeline
            .AddRetry(new RetryStrategyOptions<HttpResponseMessage>
            {
                ShouldHandle = static outcome => ValueTask.FromResult(outcome.Outcome.Result is not null),
                Delay = TimeSpan.Zero,
                OnRetry = async _ => await circuit.IsolateAsync(),
            })
            .AddCircuitBreaker(new CircuitBreakerStrategyOptions<HttpResponseMessage> { ManualControl = circuit }));
        run.Backends.On("a", 500, "first");
        Assert.Equal(503, (await run.GetAsync()).Status);
        Assert.Equal(["a"], run.Backends.Asked);
    }

    [Fact]
    public async Task A_timeout_ends_the_search_with_504()
    {
        await using var run = Through(pipeline => pipeline.AddTimeout(TimeSpan.FromSeconds(5)), members: 1);
        run.Backends.Hangs("a");
        var asked = run.GetAsync();
        run.Time.Advance(TimeSpan.FromSeconds(6));
        Assert.Equal(504, (await asked).Status);
    }

    [Fact]
    public async Task Hedging_of_the_users_own_relays_one_answer_and_lets_the_others_go()
    {
        await using var run = Through(pipeline => pipeline.AddHedging(new HedgingStrategyOptions<HttpResponseMessage> { Delay = TimeSpan.FromSeconds(1) }));
        run.Backends.Hangs("a").On("b", 200, "second");
        var asked = run.GetAsync();
        run.Time.Advance(TimeSpan.FromSeconds(2));
        Assert.Equal((200, "second"), await asked);
        await EngineRun.UntilAsync(() => run.InFlight == 0);
    }

    [Fact]
    public async Task What_a_pipeline_answers_by_itself_is_relayed()
    {
        await using var run = Through(pipeline => pipeline.AddFallback(new Polly.Fallback.FallbackStrategyOptions<HttpResponseMessage>
        {
            ShouldHandle = static outcome => ValueTask.FromResult(outcome.Outcome.Exception is not null),
            FallbackAction = static _ => ValueTask.FromResult(Polly.Outcome.FromResult<HttpResponseMessage>(new Answer(203, "instead"))),
        }), members: 1);
        run.Backends.Fails("a", Broken);
        Assert.Equal((203, "instead"), await run.GetAsync("POST"));
    }

    [Fact]
    public async Task A_strategy_that_throws_becomes_502_and_leaves_nothing_behind()
    {
        await using var run = Through(pipeline => pipeline.AddRetry(new RetryStrategyOptions<HttpResponseMessage> { ShouldHandle = static _ => throw new InvalidTimeZoneException("mine") }));
        run.Backends.On("a", 200, "here");
        Assert.Equal(502, (await run.GetAsync()).Status);
    }

    [Fact]
    public async Task A_failed_attempt_keeps_its_own_words()
    {
        await using var run = Through(pipeline => pipeline.AddTimeout(TimeSpan.FromSeconds(5)), members: 1);
        run.Backends.Fails("a", new HttpRequestException(HttpRequestError.ConnectionError));
        var (status, text) = await run.GetAsync("POST");
        Assert.Equal(502, status);
        Assert.Contains("could be reached", text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_client_that_leaves_is_not_refused()
    {
        using var left = new CancellationTokenSource();
        await using var run = Through(pipeline => pipeline.AddTimeout(TimeSpan.FromSeconds(5)));
        run.Backends.Hangs("a");
        var asked = run.GetAsync(change: context => context.RequestAborted = left.Token);
        await left.CancelAsync();
        Assert.Equal(499, (await asked).Status);
    }

    private static EngineRun Through(Action<ResiliencePipelineBuilder<HttpResponseMessage>> configure, int members = 3)
    {
        var time = new FakeTimeProvider();
        return new EngineRun(
            pool => pool.WithRetries(new RetryOptions { MaxAttempts = 1 }).WithResilience(pipeline =>
            {
                pipeline.TimeProvider = time;
                configure(pipeline);
            }),
            members: members,
            time: time);
    }
}
