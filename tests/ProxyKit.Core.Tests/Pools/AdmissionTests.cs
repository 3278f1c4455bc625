namespace ProxyKit.Tests.Pools;

// What a circuit breaker does to a pool.
public class AdmissionTests
{
    [Theory]
    [InlineData(0)]
    [InlineData(0.05)]
    [InlineData(0.5)]
    [InlineData(0.9)]
    [InlineData(1)]
    public async Task That_share_of_new_requests_is_let_in(double share)
    {
        using var pool = new Pool("p", Some.Destinations("a", "b"), seed: 1);
        Assert.Equal(share < 1, pool.SetAdmission(share));
        Assert.False(pool.SetAdmission(share));
        Assert.Equal(share, pool.Snapshot.Admission);
        var (picked, pickedAsync) = (0, 0);
        for (var i = 0; i < 20_000; i++)
        {
            var status = pool.TryPick(out var lease);
            Assert.True(status is PickStatus.Picked or PickStatus.CircuitOpen);
            picked += status == PickStatus.Picked ? 1 : 0;
            lease.Dispose();
            (status, lease) = await pool.PickAsync(cancellationToken: Some.Token);
            pickedAsync += status == PickStatus.Picked ? 1 : 0;
            lease.Dispose();
        }

        var deviations = 5 * Math.Sqrt(20_000 * share * (1 - share));
        Assert.InRange(picked, (20_000 * share) - deviations, (20_000 * share) + deviations);
        Assert.InRange(pickedAsync, (20_000 * share) - deviations, (20_000 * share) + deviations);
    }

    [Fact]
    public void A_request_that_was_let_in_may_be_tried_again_and_a_session_has_no_privilege()
    {
        using var pool = new Pool("p", Some.Destinations("a", "b"));
        pool.SetAdmission(0);
        Assert.Equal(PickStatus.Picked, pool.TryPick(out var retry, tried: [pool.Member("a")]));
        Assert.Equal("b", retry.Member.Destination.Name);
        Assert.Equal(PickStatus.CircuitOpen, pool.TryPick(out _, preferred: pool.Member("a")));
        Assert.Equal((null, "the circuit breaker is open"), (pool.Explain().Chosen, pool.Explain().Reason));
        Assert.Equal("b", pool.Explain(tried: [pool.Member("a")]).Chosen);
    }

    // What was drawn to let a request in came from the same count as turns: of two, the same one got nearly all.
    [Fact]
    public void Those_who_take_turns_go_on_doing_so()
    {
        using var pool = new Pool("p", Some.Destinations("a", "b"), PoolSettings.Default.With(new RoundRobin()));
        pool.SetAdmission(0.99);
        var names = new List<string>();
        while (names.Count < 100)
        {
            if (pool.TryPick(out var lease) == PickStatus.Picked)
            {
                names.Add(lease.Member.Destination.Name);
                lease.Dispose();
            }
        }

        Assert.Equal(50, names.Count(name => name == "a"));
    }

    [Theory]
    [InlineData(-0.01)]
    [InlineData(1.01)]
    [InlineData(double.NaN)]
    public void A_share_is_0_to_1(double share)
    {
        using var pool = new Pool("p", Some.Destinations("a"));
        Assert.Throws<ArgumentOutOfRangeException>(() => pool.SetAdmission(share));
    }

    // It was drawn for anew with every seat that came free, so that nearly nobody who waited was ever served.
    [Fact]
    public async Task Who_waits_was_let_in_and_is_not_drawn_for_again()
    {
        using var pool = new Pool("p", Some.Destinations("a"), Some.Limit(1, queue: 50), seed: 1);
        pool.SetAdmission(0.5);
        Lease first;
        while (pool.TryPick(out first) != PickStatus.Picked)
        {
        }

        var waiting = Enumerable.Range(0, 100).Select(_ => pool.PickAsync(cancellationToken: Some.Token).AsTask()).ToList();
        var refused = waiting.Count(task => task.IsCompleted);
        Assert.InRange(refused, 50, 75); // half by chance, or more where the queue was full
        first.Dispose();
        var served = 0;
        foreach (var waiter in waiting)
        {
            var (status, lease) = await waiter;
            served += status == PickStatus.Picked ? 1 : 0;
            lease.Dispose();
        }

        Assert.Equal(100 - refused, served);
    }

    [Fact]
    public async Task Who_waits_when_it_opens_is_told_so()
    {
        using var pool = new Pool("p", Some.Destinations("a"), Some.Limit(1, queue: 5));
        using var first = pool.Pick();
        var waiter = pool.PickAsync(cancellationToken: Some.Token).AsTask();
        pool.SetAdmission(0);
        first.Dispose();
        Assert.Equal(PickStatus.CircuitOpen, (await waiter).Status);
    }
}
