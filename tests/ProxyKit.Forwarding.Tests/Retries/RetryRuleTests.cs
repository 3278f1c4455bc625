using CsCheck;

namespace ProxyKit.Forwarding.Tests;

/// <summary>RFC 9110 §9.2.2: what may be applied twice, and what was never applied.</summary>
public sealed class RetryRuleTests
{
    [Theory]
    [InlineData(OutcomeKind.NotConnected, null, true, true)]
    [InlineData(OutcomeKind.NotConnected, null, false, true)]
    [InlineData(OutcomeKind.TimedOut, null, true, true)]
    [InlineData(OutcomeKind.TimedOut, null, false, false)]
    [InlineData(OutcomeKind.Broken, null, true, true)]
    [InlineData(OutcomeKind.Broken, null, false, false)]
    [InlineData(OutcomeKind.Answered, 503, true, true)]
    [InlineData(OutcomeKind.Answered, 503, false, false)]
    [InlineData(OutcomeKind.Answered, 500, true, false)]
    [InlineData(OutcomeKind.Answered, 200, true, false)]
    [InlineData(OutcomeKind.Answered, 404, true, false)]
    [InlineData(OutcomeKind.Abandoned, null, true, false)]
    [InlineData(OutcomeKind.BodyBroken, 200, true, false)]
    public void Only_what_may_be_applied_twice_or_was_never_sent_is_tried_again(OutcomeKind kind, int? status, bool repeatable, bool again)
    {
        var rule = new RetryRule(new RetryOptions());
        Assert.Equal(again, rule.Allows(new EndedAttempt(1, repeatable, CanReplay: true, kind, status)));
        Assert.False(rule.Allows(new EndedAttempt(1, repeatable, CanReplay: false, kind, status)));
        Assert.False(rule.Allows(new EndedAttempt(3, repeatable, CanReplay: true, kind, status)));
    }

    [Theory]
    [InlineData("GET", true)]
    [InlineData("HEAD", true)]
    [InlineData("PUT", true)]
    [InlineData("DELETE", true)]
    [InlineData("OPTIONS", true)]
    [InlineData("POST", false)]
    [InlineData("PATCH", false)]
    [InlineData("CONNECT", false)]
    [InlineData("get", false)]
    [InlineData("PURGE", false)]
    public void Methods_are_idempotent_by_their_exact_names(string method, bool idempotent) => Assert.Equal(idempotent, RetryRule.IsIdempotent(method));

    [Fact]
    public void Statuses_of_ones_own_take_the_place_of_the_defaults()
    {
        var rule = new RetryRule(new RetryOptions { Statuses = [429, 500] });
        Assert.Equal((true, true, false), (rule.IsFailure(429), rule.IsFailure(500), rule.IsFailure(503)));
    }

    [Fact]
    public void The_first_retry_waits_for_nothing_and_later_ones_never_longer_than_the_cap_and_their_bound() =>
        Gen.Select(Gen.Int[1, 16], Gen.Double[0, 1], Gen.Int[0, 1000], Gen.Int[0, 60_000]).Sample((number, chance, first, more) =>
        {
            var options = new RetryOptions { BackoffBase = TimeSpan.FromMilliseconds(first), BackoffCap = TimeSpan.FromMilliseconds(first + more) };
            var wait = new RetryRule(options).Backoff(number, chance);
            Assert.True(wait >= TimeSpan.Zero && wait <= options.BackoffCap);
            Assert.True(wait <= options.BackoffBase * Math.Pow(2, Math.Max(0, number - 3)));
            Assert.True(number > 2 || wait == TimeSpan.Zero);
        });

    [Fact]
    public void The_wait_before_the_third_attempt_is_drawn_up_to_the_base_and_then_doubles()
    {
        var rule = new RetryRule(new RetryOptions());
        Assert.Equal([25.0, 50, 100, 200, 250], Enumerable.Range(3, 5).Select(number => rule.Backoff(number, 1).TotalMilliseconds));
        Assert.Equal(12.5, rule.Backoff(3, 0.5).TotalMilliseconds);
    }
}
