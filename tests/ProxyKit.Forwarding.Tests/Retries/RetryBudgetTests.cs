using CsCheck;

using Microsoft.Extensions.Time.Testing;

namespace ProxyKit.Forwarding.Tests;

public sealed class RetryBudgetTests
{
    [Fact]
    public void Over_any_ten_seconds_retries_keep_to_the_share_of_requests_and_the_allowance()
    {
        var steps = Gen.Select(Gen.Int[0, 3000], Gen.Int[0, 20], Gen.Int[0, 60]).List[1, 60];
        Gen.Select(Gen.Double[0, 1], Gen.Double[0, 3], steps).Sample((share, perSecond, run) =>
        {
            var time = new FakeTimeProvider();
            var budget = new RetryBudget(share, perSecond, time);
            List<(TimeSpan At, int Requests, int Retries)> seen = [];
            var at = TimeSpan.Zero;
            foreach (var (wait, requests, wishes) in run)
            {
                time.Advance(TimeSpan.FromMilliseconds(wait));
                at += TimeSpan.FromMilliseconds(wait);
                for (var i = 0; i < requests; i++)
                {
                    budget.Deposit(time.GetTimestamp());
                }

                seen.Add((at, requests, Enumerable.Range(0, wishes).Count(_ => budget.TryWithdraw())));
            }

            // Each window that ends with a retry: one that ends later may have lost the requests for which retries were granted.
            foreach (var end in seen.Where(step => step.Retries > 0))
            {
                var window = seen.Where(step => step.At <= end.At && step.At > end.At - TimeSpan.FromSeconds(10)).ToList();
                Assert.True(window.Sum(step => step.Retries) <= (share * window.Sum(step => step.Requests)) + (perSecond * 10) + 1e-9);
            }
        });
    }

    [Fact]
    public void What_was_used_in_a_part_of_a_second_is_not_given_again_before_ten_seconds_have_passed()
    {
        var time = new FakeTimeProvider();
        var budget = new RetryBudget(0, 1, time);
        time.Advance(TimeSpan.FromMilliseconds(900));
        Assert.Equal(10, Enumerable.Range(0, 50).Count(_ => budget.TryWithdraw()));
        time.Advance(TimeSpan.FromMilliseconds(9_200));
        Assert.False(budget.TryWithdraw());
        time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal(10, Enumerable.Range(0, 50).Count(_ => budget.TryWithdraw()));
    }

    [Fact]
    public void A_share_of_the_requests_may_be_repeated()
    {
        var time = new FakeTimeProvider();
        var budget = new RetryBudget(0.2, 0, time);
        for (var i = 0; i < 100; i++)
        {
            budget.Deposit(time.GetTimestamp());
        }

        Assert.Equal(20, Enumerable.Range(0, 100).Count(_ => budget.TryWithdraw()));
    }

    [Fact]
    public void From_many_threads_no_more_is_given_than_there_is()
    {
        var time = new FakeTimeProvider();
        var budget = new RetryBudget(0.5, 10, time);
        var given = 0;
        Parallel.For(0, 1_000, _ =>
        {
            budget.Deposit(time.GetTimestamp());
            if (budget.TryWithdraw())
            {
                Interlocked.Increment(ref given);
            }
        });
        Assert.InRange(given, 100, 600);
    }
}
