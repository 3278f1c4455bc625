namespace ProxyKit.Tests.Options;

public class ValidationTests
{
    [Fact]
    public void Options_without_fault_are_returned_and_others_refused_with_all_their_faults()
    {
        var good = new DrainOptions();
        Assert.Same(good, good.Valid());
        var fault = Assert.Throws<ArgumentException>(() => new LimitOptions { MaxPerDestination = -1, QueueLength = -1 }.Valid());
        Assert.StartsWith("LimitOptions: MaxPerDestination is -1; it must be 0 (any number) or more. QueueLength is -1;", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void What_can_be_copied_is_kept_as_a_copy_and_the_copy_is_judged()
    {
        var options = new SlowStartOptions { MinShare = 0.5 };
        var kept = options.Frozen();
        Assert.NotSame(options, kept);
        Assert.Equal(options, kept);
        Assert.Throws<ArgumentException>(() => new SlowStartOptions { MinShare = 0 }.Frozen());
        var policy = new RoundRobin();
        Assert.Same(policy, policy.Frozen());
    }
}
