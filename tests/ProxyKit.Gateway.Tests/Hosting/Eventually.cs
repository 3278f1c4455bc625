using Microsoft.Extensions.Time.Testing;

namespace ProxyKit.Gateway.Tests;

/// <summary>Waits for what raises no event.</summary>
internal static class Eventually
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    /// <summary>Looks again and again until it is true, and fails after a minute.</summary>
    public static async Task TrueAsync(Func<bool> condition)
    {
        using var deadline = new CancellationTokenSource(Patience);
        while (!condition())
        {
            await Task.Delay(TimeSpan.FromMilliseconds(5), TimeProvider.System, deadline.Token);
        }
    }

    /// <summary>Moves the clock on step by step until it is true: a timer may not be there yet when the clock is moved once.</summary>
    public static Task TrueAsync(FakeTimeProvider time, TimeSpan step, Func<bool> condition) => TrueAsync(() =>
    {
        time.Advance(step);
        return condition();
    });
}
