namespace ProxyKit.Testing.Tests;

public sealed class TestPoolTests
{
    private static readonly TimeSpan Ms = TimeSpan.FromMilliseconds(1);

    [Fact]
    public void Attempts_are_counted_for_each_destination()
    {
        using var pool = new TestPool(new RoundRobin(), "a=2", "b");
        var run = pool.Run(300, _ => TestAttempt.Answered());
        Assert.Equal(200, run.Attempts["a"]);
        Assert.Equal(100, run.Served["b"]);
        Assert.Equal(0, run.Failed);
    }

    [Fact]
    public void A_failed_attempt_goes_on_at_another_destination()
    {
        using var pool = new TestPool(new RoundRobin(), "a", "b", "dead");
        var run = pool.Run(300, attempt => attempt.Destination == "dead" ? TestAttempt.Failed() : TestAttempt.Answered(), attempts: 2);
        Assert.Equal(0, run.Failed);
        Assert.True(run.Attempts["dead"] > 0);
        Assert.Equal(0, run.Served["dead"]);
        Assert.Equal(300, run.Served["a"] + run.Served["b"]);
    }

    [Fact]
    public void Without_a_further_attempt_a_failure_is_the_end()
    {
        using var pool = new TestPool(new RoundRobin(), "a", "dead");
        var run = pool.Run(10, attempt => attempt.Destination == "dead" ? TestAttempt.Failed() : TestAttempt.Answered());
        Assert.Equal(5, run.Failed);
    }

    [Fact]
    public void Overlapping_requests_hold_their_seats_as_long_as_their_answers_take()
    {
        using var pool = new TestPool(new RoundRobin(), "a", "b");
        var most = 0;
        pool.Run(100, attempt =>
        {
            most = Math.Max(most, pool.Pool.Snapshot.Members.Sum(member => member.InFlight));
            return TestAttempt.Answered(10 * Ms);
        }, every: Ms);
        Assert.Equal(10, most);
        Assert.All(pool.Pool.Snapshot.Members, member => Assert.Equal(0, member.InFlight));
    }

    [Fact]
    public void A_slow_destination_gets_less_from_the_power_of_two()
    {
        using var pool = new TestPool(new PowerOfTwo(), "a", "b", "slow");
        var run = pool.Run(3_000, attempt => TestAttempt.Answered((attempt.Destination == "slow" ? 400 : 20) * Ms), every: 5 * Ms);
        Assert.InRange(run.Share("slow"), 0, 0.2);
    }

    [Fact]
    public void The_same_seed_gives_the_same_run()
    {
        string Once()
        {
            using var pool = new TestPool(new PowerOfTwo(), "a", "b", "c");
            return pool.Run(100, _ => TestAttempt.Answered(3 * Ms), every: Ms).ToString();
        }

        Assert.Equal(Once(), Once());
    }

    [Fact]
    public void Where_every_seat_is_taken_a_request_is_refused()
    {
        using var pool = new TestPool([TestPool.Named("a")], PoolSettings.Default.With(new LimitOptions { MaxPerDestination = 1 }));
        var run = pool.Run(4, _ => TestAttempt.Answered(2 * Ms), every: Ms);
        Assert.Equal(2, run.Refused);
        Assert.Equal(2, run.Served["a"]);
    }

    [Fact]
    public void The_clock_moves_with_the_run()
    {
        using var pool = new TestPool(new RoundRobin(), "a");
        var began = pool.Time.GetUtcNow();
        pool.Run(3, _ => TestAttempt.Answered(TimeSpan.FromMinutes(1)));
        Assert.Equal(TimeSpan.FromMinutes(3), pool.Time.GetUtcNow() - began);
    }
}
