namespace ProxyKit.Health.Tests;

/// <summary>Waits for what other threads bring about.</summary>
internal static class Eventually
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    /// <summary>Until the pool is as it should be: looked at with each of its snapshots.</summary>
    public static async Task InAsync(Pool pool, Func<PoolSnapshot, bool> holds)
    {
        for (var snapshot = pool.Snapshot; !holds(snapshot); snapshot = pool.Snapshot)
        {
            await snapshot.Replaced.WaitAsync(Patience, TestContext.Current.CancellationToken);
        }
    }

    /// <summary>Until something holds that raises no event, which is looked at again and again.</summary>
    public static async Task TrueAsync(Func<bool> holds)
    {
        using var deadline = new CancellationTokenSource(Patience);
        for (var look = 0; !holds(); look++)
        {
            if (look < 50)
            {
                await Task.Yield();
            }
            else
            {
                await Task.Delay(TimeSpan.FromMilliseconds(1), TimeProvider.System, deadline.Token);
            }
        }
    }
}
