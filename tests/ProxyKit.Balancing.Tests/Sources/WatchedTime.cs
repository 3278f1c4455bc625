using System.Threading.Channels;

using Microsoft.Extensions.Time.Testing;

namespace ProxyKit.Balancing.Tests.Sources;

/// <summary>A clock that stands still until told, and tells of each wait that begins on it.</summary>
internal sealed class WatchedTime : FakeTimeProvider
{
    private readonly Channel<TimeSpan> _waits = Channel.CreateUnbounded<TimeSpan>();

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        var timer = base.CreateTimer(callback, state, dueTime, period);
        _waits.Writer.TryWrite(dueTime);
        return timer;
    }

    /// <summary>How long the next wait is, once it has begun.</summary>
    public ValueTask<TimeSpan> NextWaitAsync() => _waits.Reader.ReadAsync(TestContext.Current.CancellationToken);
}
