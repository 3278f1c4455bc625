using System.Buffers;

namespace ProxyKit.Forwarding;

/// <summary>Moves bytes both ways between a client and a destination until both have ended, nothing has moved for too long, or it is told to leave.</summary>
internal sealed class Tunnel
{
    private const int BufferSize = 16 * 1024;

    /// <summary>What a WebSocket of which one side has ended may still have to say: the other half of the closing handshake.</summary>
    private static readonly TimeSpan LastWords = TimeSpan.FromSeconds(5);

    /// <summary>How long a direction may take to the end of the frame that it is in, once the tunnel is to leave.</summary>
    private static readonly TimeSpan FrameGrace = TimeSpan.FromSeconds(2);

    /// <summary>How long the answers to Close are waited for.</summary>
    private static readonly TimeSpan ReplyGrace = TimeSpan.FromSeconds(2);

    private readonly Lock _lock = new();
    private readonly Deadline _deadline;
    private readonly Lane _up;
    private readonly Lane _down;
    private readonly bool _isWebSocket;
    private TimeSpan _idle;
    private volatile bool _isLeaving;
    private bool _isHalf; // one side has ended

    public Tunnel(TunnelSide client, TunnelSide destination, Deadline deadline, TimeSpan idle, bool isWebSocket)
    {
        (_deadline, _idle, _isWebSocket) = (deadline, idle, isWebSocket);
        (_up, _down) = (new Lane(client, destination, GoingAway.ToServer), new Lane(destination, client, GoingAway.ToClient));
    }

    /// <summary>Runs to the end. Where one of the tokens is cancelled the tunnel leaves.</summary>
    /// <remarks>
    /// A WebSocket that leaves is closed towards both sides with 1001 (Going Away), each at the end of the frame that it is in, and their answers are
    /// awaited; where a frame does not end in time, or it is no WebSocket, it is cut.
    /// </remarks>
    /// <returns>Whether the client may be let go as usual; false where it stands in the middle of a frame, which an end that looks proper must not hide.</returns>
    public async Task<bool> RunAsync(CancellationToken retired, CancellationToken leaving)
    {
        _deadline.Set(TimeoutKind.UpgradeIdle, _idle);
        Task<bool> up = CopyAsync(_up), down = CopyAsync(_down);
        await using (retired.UnsafeRegister(static tunnel => ((Tunnel)tunnel!).Leave(), this))
        await using (leaving.UnsafeRegister(static tunnel => ((Tunnel)tunnel!).Leave(), this))
        {
            var first = await Task.WhenAny(up, down);
            var (ended, other) = first == up ? (_up, _down) : (_down, _up);
            if (await first ? Half() && !await TryEndAsync(ended, other) : Half())
            {
                _deadline.Cancel(); // it broke, or there is nothing to wait for
            }

            await Task.WhenAll(up, down);
        }

        await Task.WhenAll(_up.Saying, _down.Saying); // nobody begins another, now that nobody can tell it to leave
        return !_isLeaving || _down.IsClosed || _down.Frames.IsAtBoundary;
    }

    private void Leave()
    {
        Lane? up = null, down = null;
        bool isCut, isClosing = false;
        lock (_lock)
        {
            if (_isLeaving)
            {
                return;
            }

            _isLeaving = true;
            isCut = !_isWebSocket || _isHalf;
            if (!isCut)
            {
                // Where one side has begun to close, the other will answer; who put a word in between would answer in its place.
                isClosing = _up.Frames.SawClose || _down.Frames.SawClose;
                (_up.IsPassing, _down.IsPassing) = (isClosing, isClosing);
                (up, down) = (TryClaim(_up), TryClaim(_down));
            }
        }

        if (isCut)
        {
            _deadline.Cancel();
            return;
        }

        _deadline.Set(TimeoutKind.UpgradeIdle, isClosing ? ReplyGrace : FrameGrace);
        Say(up);
        Say(down);
    }

    // True unless the tunnel is leaving, which ends it in its own way.
    private bool Half()
    {
        lock (_lock)
        {
            _isHalf = true;
            return !_isLeaving;
        }
    }

    // Hands on that a side has nothing more to say; the other may finish what it has to. False where there is nothing to wait for.
    private async Task<bool> TryEndAsync(Lane ended, Lane other)
    {
        var owesClose = ended.Frames.SawClose && !other.Frames.SawClose;
        var isTold = ended.To.EndSending is not null;
        if (!isTold && ended == _down && !owesClose)
        {
            return false; // the client learns of it by the end of the whole connection alone
        }

        try
        {
            await (ended.To.EndSending?.Invoke() ?? Task.CompletedTask);
        }
        catch (Exception end) when (IsEnd(end))
        {
            return false;
        }

        // A WebSocket ends by a handshake, so who has ended without one has nothing to hear either: what is left is short. So it is where the other
        // side could not be told, and may wait for this one.
        if ((_isWebSocket || !isTold) && (_idle <= TimeSpan.Zero || _idle > LastWords))
        {
            _idle = LastWords;
        }

        Touch();
        return true;
    }

    // Something moved. Without the lock, under which the deadline's own must not be taken: its timer runs what waits here.
    private void Touch()
    {
        _deadline.Set(TimeoutKind.UpgradeIdle, _idle);
        Interlocked.MemoryBarrier(); // either this sees that the tunnel leaves, or who makes it leave comes after and sets the grace
        if (_isLeaving)
        {
            _deadline.Set(TimeoutKind.UpgradeIdle, FrameGrace);
        }
    }

    // True where the side has ended, or there is nothing more to hear from it; false where it, or the way to the other, broke.
    private async Task<bool> CopyAsync(Lane lane)
    {
        var (from, to) = (lane.From.Stream, lane.To.Stream);
        byte[]? buffer = null;
        try
        {
            for (var isStopped = false; ;)
            {
                int count;
                try
                {
                    // Idle connections hold no buffer: asking for nothing waits until there is something.
                    _ = await from.ReadAsync(Memory<byte>.Empty, _deadline.Token);
                    buffer ??= ArrayPool<byte>.Shared.Rent(BufferSize);
                    count = await from.ReadAsync(buffer, _deadline.Token);
                }
                catch (OperationCanceledException) when (!isStopped && !_deadline.Token.IsCancellationRequested)
                {
                    isStopped = true; // the server wakes its readers once when it is told to stop; the connection goes on
                    continue;
                }

                if (count == 0)
                {
                    return true;
                }

                if (Take(lane, buffer.AsSpan(0, count)) is var pass and > 0)
                {
                    await to.WriteAsync(buffer.AsMemory(0, pass), _deadline.Token);
                    await to.FlushAsync(_deadline.Token);
                }

                ArrayPool<byte>.Shared.Return(buffer);
                buffer = null;
                if (IsOver(lane))
                {
                    return true;
                }
            }
        }
        catch (Exception end) when (IsEnd(end))
        {
            return false; // either side may go at any time; that is how tunnels end
        }
        finally
        {
            if (buffer is not null)
            {
                ArrayPool<byte>.Shared.Return(buffer);
            }
        }
    }

    // How many of the bytes go on: all of them, or once the tunnel leaves, the rest of the frame that was under way.
    private int Take(Lane lane, ReadOnlySpan<byte> bytes)
    {
        int pass;
        lock (_lock)
        {
            if (_isLeaving && !lane.IsPassing)
            {
                pass = lane.IsClosed ? 0 : lane.Frames.FollowToBoundary(bytes);
                lane.IsDone |= lane.Frames.IsAtBoundary;
                lane.IsClosed |= pass > 0 && lane.Frames.SawClose; // the last to pass was the Close of the side itself
                lane.Frames.Follow(bytes[pass..]);
                lane.IsBusy = pass > 0;
                return pass;
            }

            if (_isWebSocket)
            {
                lane.Frames.Follow(bytes);
            }

            pass = bytes.Length;
            lane.IsBusy = true;
        }

        Touch();
        return pass;
    }

    // What was taken has been written. Where the tunnel leaves, the other side is told as soon as a frame has ended; true where this one has answered.
    private bool IsOver(Lane lane)
    {
        Lane? says;
        bool isOver, areTold;
        lock (_lock)
        {
            lane.IsBusy = false;
            says = _isLeaving ? TryClaim(lane) : null;
            areTold = says is not null && _up.IsClosed && _down.IsClosed;
            isOver = _isLeaving && !lane.IsPassing && lane.Frames.SawClose;
        }

        if (areTold)
        {
            _deadline.Set(TimeoutKind.UpgradeIdle, ReplyGrace);
        }

        Say(says);
        return isOver;
    }

    // Under the lock: the lane where its Close is to be said now, by whoever asks.
    private static Lane? TryClaim(Lane lane)
    {
        if (lane.IsBusy || lane.IsClosed || lane.IsPassing || !(lane.IsDone || lane.Frames.IsAtBoundary))
        {
            return null;
        }

        lane.IsClosed = true;
        return lane;
    }

    private void Say(Lane? lane)
    {
        if (lane is not null)
        {
            lane.Saying = SayAsync(lane);
        }
    }

    private async Task SayAsync(Lane lane)
    {
        try
        {
            await lane.To.Stream.WriteAsync(lane.Close(), _deadline.Token);
            await lane.To.Stream.FlushAsync(_deadline.Token);
        }
        catch (Exception end) when (IsEnd(end))
        {
            // It has gone by itself.
        }
    }

    private static bool IsEnd(Exception fault) => fault is IOException or OperationCanceledException or ObjectDisposedException or InvalidOperationException;

    /// <summary>One direction. All that changes is under the tunnel's lock.</summary>
    private sealed class Lane(TunnelSide from, TunnelSide to, Func<byte[]> close)
    {
        public FrameFollower Frames;

        public TunnelSide From { get; } = from;

        public TunnelSide To { get; } = to;

        /// <summary>Makes the frame that closes it.</summary>
        public Func<byte[]> Close { get; } = close;

        /// <summary>Whether bytes are being written.</summary>
        public bool IsBusy { get; set; }

        /// <summary>Whether the last frame that may pass has passed: what comes is only listened to.</summary>
        public bool IsDone { get; set; }

        /// <summary>Whether a Close has gone this way, since the tunnel leaves: nothing may follow it.</summary>
        public bool IsClosed { get; set; }

        /// <summary>Whether all goes on to pass although the tunnel leaves, because the two sides are closing it themselves.</summary>
        public bool IsPassing { get; set; }

        public Task Saying { get; set; } = Task.CompletedTask;
    }
}
