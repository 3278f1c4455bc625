namespace ProxyKit.Forwarding.Tests;

public sealed class HedgingTests
{
    private static readonly TimeSpan Delay = TimeSpan.FromMilliseconds(100);

    [Fact]
    public async Task A_slow_first_gets_company_after_the_delay_and_the_first_answer_is_the_only_one()
    {
        await using var run = Hedged(2);
        run.Backends.Hangs("a").On("b", 200, "second");
        var asked = run.GetAsync();
        Assert.Equal(["a"], run.Backends.Asked);
        run.Time.Advance(Delay);
        Assert.Equal((200, "second"), await asked);
        Assert.Equal(["a", "b"], run.Backends.Asked);
        Assert.Equal(0, run.InFlight); // the loser as well
    }

    [Fact]
    public async Task A_quick_first_stays_alone()
    {
        await using var run = Hedged(2);
        run.Backends.On("a", 200, "first");
        Assert.Equal((200, "first"), await run.GetAsync());
        Assert.Equal(["a"], run.Backends.Asked);
    }

    [Theory]
    [InlineData("POST")]
    [InlineData("PATCH")]
    public async Task What_may_not_be_repeated_is_never_hedged(string method)
    {
        await using var run = Hedged(2);
        var gate = new TaskCompletionSource<HttpResponseMessage>();
        run.Backends.On("a", (_, _) => gate.Task).On("b", 200);
        var asked = run.GetAsync(method);
        run.Time.Advance(Delay * 3);
        gate.SetResult(new Answer(200, "first"));
        Assert.Equal((200, "first"), await asked);
        Assert.Equal(["a"], run.Backends.Asked);
    }

    [Fact]
    public async Task A_failure_sends_the_next_at_once_while_another_is_under_way()
    {
        await using var run = Hedged(3);
        var gate = new TaskCompletionSource<HttpResponseMessage>();
        run.Backends.On("a", (_, _) => gate.Task).Hangs("b").On("c", 200, "third");
        var asked = run.GetAsync();
        run.Time.Advance(Delay); // b
        gate.SetResult(new Answer(503, "busy")); // and now c, with no further delay
        Assert.Equal((200, "third"), await asked);
        Assert.Equal(["a", "b", "c"], run.Backends.Asked);
    }

    [Fact]
    public async Task No_member_is_asked_twice_at_once_and_all_attempts_keep_to_their_number()
    {
        await using var run = Hedged(5);
        run.Backends.On("a", 503, "a").On("b", 503, "b").On("c", 503, "c");
        var (status, _) = await run.GetAsync();
        Assert.Equal(503, status);
        Assert.Equal(["a", "b", "c"], run.Backends.Asked);

        await using var slow = Hedged(5);
        slow.Backends.Hangs("a").Hangs("b").Hangs("c");
        using var left = new CancellationTokenSource();
        var asked = slow.GetAsync(change: context => context.RequestAborted = left.Token);
        for (var i = 0; i < 10; i++)
        {
            slow.Time.Advance(Delay);
            await Task.Yield();
        }

        await left.CancelAsync();
        await asked;
        Assert.Equal(slow.Backends.Asked.Distinct(), slow.Backends.Asked);
    }

    [Fact]
    public async Task Attempts_that_failed_and_were_given_back_end_nobody_else()
    {
        // The deadline of the first failure has gone back to the pool, and serves another request, when the third attempt answers.
        await using var run = Hedged(3);
        var (first, second) = (new TaskCompletionSource<HttpResponseMessage>(), new TaskCompletionSource<HttpResponseMessage>());
        var third = new TaskCompletionSource<HttpResponseMessage>();
        run.Backends.On("a", (_, _) => first.Task).On("b", (_, _) => second.Task).On("c", (_, _) => third.Task);
        var asked = run.GetAsync();
        run.Time.Advance(Delay);
        await EngineRun.UntilAsync(() => run.Backends.Asked.Count == 2);
        first.SetResult(new Answer(503, ""));
        await EngineRun.UntilAsync(() => run.Backends.Asked.Count == 3);
        second.SetResult(new Answer(503, ""));
        await EngineRun.UntilAsync(() => run.InFlight == 2);

        var gate = new TaskCompletionSource<HttpResponseMessage>();
        CancellationToken token = default;
        run.Backends.On("a", (_, cancellationToken) =>
        {
            token = cancellationToken;
            return gate.Task;
        });
        var other = run.GetAsync("POST");
        third.SetResult(new Answer(200, "third"));
        Assert.Equal((200, "third"), await asked);
        Assert.False(token.IsCancellationRequested);
        gate.SetResult(new Answer(200, "other"));
        Assert.Equal((200, "other"), await other);
    }

    [Fact]
    public async Task A_hedge_after_a_failed_first_goes_to_somebody_new()
    {
        await using var run = Hedged(2);
        run.Backends.Fails("a", new HttpRequestException(HttpRequestError.ConnectionError)).Hangs("b").On("c", 200, "third");
        var asked = run.GetAsync();
        run.Time.Advance(Delay);
        Assert.Equal((200, "third"), await asked);
        Assert.Equal(["a", "b", "c"], run.Backends.Asked);
    }

    [Fact]
    public async Task Hedges_draw_on_the_budget()
    {
        await using var run = Hedged(2, new RetryOptions { BudgetShare = 0, BudgetPerSecond = 0 });
        var gate = new TaskCompletionSource<HttpResponseMessage>();
        run.Backends.On("a", (_, _) => gate.Task).On("b", 200);
        var asked = run.GetAsync();
        run.Time.Advance(Delay * 5);
        gate.SetResult(new Answer(200, "first"));
        Assert.Equal((200, "first"), await asked);
        Assert.Equal(["a"], run.Backends.Asked);
    }

    private static EngineRun Hedged(int most, RetryOptions? retries = null) =>
        new(pool => pool.WithHedging(new HedgeOptions { Delay = Delay, MaxAttempts = most }).WithRetries((retries ?? new RetryOptions()) with { BackoffBase = TimeSpan.Zero, BackoffCap = TimeSpan.Zero }));
}
