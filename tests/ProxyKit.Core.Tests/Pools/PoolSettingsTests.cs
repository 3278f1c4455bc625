namespace ProxyKit.Tests.Pools;

public class PoolSettingsTests
{
    [Fact]
    public void What_the_caller_changes_later_changes_nothing()
    {
        var limits = new LimitOptions { MaxPerDestination = 7 };
        var settings = PoolSettings.Default.With(limits);
        limits.MaxPerDestination = -1;
        Assert.Equal(7, settings.Get<LimitOptions>()!.MaxPerDestination);
    }

    [Fact]
    public void Faults_are_told_where_they_are_handed_over_all_at_once()
    {
        var fault = Assert.Throws<ArgumentException>(() => PoolSettings.Default.With(new LimitOptions { MaxPerDestination = -1, QueueTimeout = TimeSpan.Zero }));
        Assert.Contains("MaxPerDestination is -1", fault.Message, StringComparison.Ordinal);
        Assert.Contains("QueueTimeout is 00:00:00", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_policy_is_the_policy_whatever_type_the_compiler_sees()
    {
        Assert.IsType<RoundRobin>(PoolSettings.Default.With(new RoundRobin()).Policy);
        IBalancingPolicy policy = new RoundRobin();
        Assert.Same(policy, PoolSettings.Default.With(policy).Policy);
        Assert.Null(PoolSettings.Default.With(new RoundRobin()).Get<RoundRobin>());
    }

    [Fact]
    public void A_source_is_the_source_whatever_type_the_compiler_sees()
    {
        var source = new Source();
        Assert.Same(source, PoolSettings.Default.With(source).Get<IDestinationSource>());
    }

    [Fact]
    public void Settings_never_change()
    {
        var one = PoolSettings.Default.With(new DrainOptions());
        var other = one.With(new DrainOptions { KeepSessions = true });
        Assert.False(one.Get<DrainOptions>()!.KeepSessions);
        Assert.True(other.Get<DrainOptions>()!.KeepSessions);
        Assert.Null(PoolSettings.Default.Get<DrainOptions>());
    }

    [Theory]
    [InlineData(0, 0), InlineData(10, 5)]
    public void Limits_that_make_sense_have_no_fault(int limit, int queue) =>
        Assert.Empty(new LimitOptions { MaxPerDestination = limit, QueueLength = queue }.Faults());

    [Fact]
    public void Each_fault_names_the_option_its_value_and_what_would_be_right()
    {
        Assert.Equal(
            [
                "MaxPerDestination is -1; it must be 0 (any number) or more.",
                "QueueLength is -2; it must be 0 (none waits) or more.",
                "QueueTimeout is 02:00:00; it must be more than 0 and at most an hour.",
            ],
            new LimitOptions { MaxPerDestination = -1, QueueLength = -2, QueueTimeout = TimeSpan.FromHours(2) }.Faults());
        Assert.Equal(
            ["QueueLength is 3 and MaxPerDestination is 0; without a limit nothing ever waits, so set MaxPerDestination."],
            new LimitOptions { QueueLength = 3 }.Faults());
        Assert.Equal(
            [
                "Window is 00:00:00; it must be more than 0 and at most a day.",
                "Aggression is NaN; it must be more than 0 and at most 100.",
                "MinShare is 1.5; it must be more than 0 and at most 1.",
            ],
            new SlowStartOptions { Window = TimeSpan.Zero, Aggression = double.NaN, MinShare = 1.5 }.Faults());
        Assert.Equal(["Timeout is -00:00:01; it must be 0 to a day."], new DrainOptions { Timeout = TimeSpan.FromSeconds(-1) }.Faults());
    }

    private sealed class Source : IDestinationSource
    {
        public IAsyncEnumerable<IReadOnlyList<Destination>> WatchAsync(CancellationToken cancellationToken) => AsyncEnumerable.Empty<IReadOnlyList<Destination>>();
    }
}
