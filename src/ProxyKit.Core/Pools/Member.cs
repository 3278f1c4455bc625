using System.Collections.Immutable;
using System.Diagnostics.CodeAnalysis;
using System.IO.Hashing;
using System.Runtime.InteropServices;

namespace ProxyKit;

/// <summary>A destination's seat in one pool: what is live about it beside what is fixed.</summary>
/// <remarks>
/// A change of weight, zone or state makes a new member that shares the live figures of the old one, so that a snapshot
/// never changes under its reader and a reload loses no count.
/// </remarks>
public sealed class Member
{
    private readonly LiveFigures _live;

    /// <summary>A member outside any pool, as tests of policies need it.</summary>
    /// <param name="destination">The fixed part.</param>
    /// <param name="inFlight">Requests it already holds.</param>
    /// <param name="time">What failures fade by; the system's clock where null.</param>
    public Member(Destination destination, int inFlight = 0, TimeProvider? time = null)
        : this(destination, new LiveFigures(time ?? TimeProvider.System), new Status(MemberState.Active, null, DateTimeOffset.UnixEpoch, []))
    {
        ArgumentOutOfRangeException.ThrowIfNegative(inFlight);
        _live.InFlight.Value = inFlight;
    }

    internal Member(Destination destination, LiveFigures live, Status status, double share = 1, int limit = 0)
    {
        ArgumentNullException.ThrowIfNull(destination);
        (Destination, _live, Limit) = (destination, live, limit);
        (State, StateReason, StateSince, Beliefs) = (status.State, status.Reason, status.Since, status.Beliefs);
        Availability = Worst(Beliefs);
        Standing = StandingOf(State, Availability);
        Weight = destination.Weight * share;
        Hash = HashOf(destination.Name);
    }

    /// <summary>The fixed part.</summary>
    public Destination Destination { get; }

    /// <summary>The weight that counts now: the destination's own, less while it warms up or is degraded.</summary>
    public double Weight { get; }

    /// <summary>Whether it takes traffic.</summary>
    public MemberState State { get; }

    /// <summary>Why it is in its state; null where nobody said.</summary>
    public string? StateReason { get; }

    /// <summary>Since when it is in its state.</summary>
    public DateTimeOffset StateSince { get; }

    /// <summary>What is believed of it, by each source that has doubts.</summary>
    public ImmutableArray<Belief> Beliefs { get; }

    /// <summary>The worst of its beliefs; <see cref="Availability.Up"/> where there is none.</summary>
    public Availability Availability { get; }

    /// <summary>Its state and the beliefs about it in one word.</summary>
    public MemberStanding Standing { get; }

    /// <summary>Whether some source says that it should have no traffic (<see cref="Pool.Believe"/>).</summary>
    public bool IsDown => Availability == Availability.Down;

    /// <summary>Requests it may hold at once; 0 means any number.</summary>
    public int Limit { get; }

    /// <summary>A hash of the destination's name, the same in every process: what hashing policies and sticky cookies know it by.</summary>
    public ulong Hash { get; }

    /// <summary>Requests it holds now.</summary>
    public int InFlight => Volatile.Read(ref _live.InFlight.Value);

    /// <summary>
    /// How busy it is: the requests it holds, and one more for each that failed of late, fading over 5 s where it could not
    /// be reached and over 1 s where it failed otherwise. Without that, what fails at once looks idle and draws all traffic.
    /// </summary>
    public double Load => InFlight + _live.Unreached.Value(_live.Time) + _live.Failed.Value(_live.Time);

    /// <summary>Whether it has a seat free.</summary>
    public bool HasRoom => Limit == 0 || InFlight < Limit;

    /// <summary>Cancelled when it was switched off, or its time to drain, or to finish once removed, is over: what still runs should end.</summary>
    public CancellationToken Retired => _live.Retired.Token;

    /// <summary>What packages keep about it from one snapshot to the next; new where a destination gets another address.</summary>
    public Notes Notes => _live.Notes;

    /// <summary>How long its answers take, once <see cref="TrackLatency"/> was called; null before.</summary>
    public PeakLatency? Latency => _live.Latency;

    internal LiveFigures Live => _live;

    /// <summary>The hash by which a destination of that name is known.</summary>
    public static ulong HashOf(string name) => XxHash3.HashToUInt64(MemoryMarshal.AsBytes(name.AsSpan()));

    /// <summary>Whether both are the same seat, though a reload may lie between them.</summary>
    public bool IsSame(Member other) => ReferenceEquals(_live, other?._live);

    /// <summary>Starts measuring latency, for a policy that reads it. Later calls change nothing.</summary>
    public PeakLatency TrackLatency(TimeSpan decay, TimeSpan initial)
    {
        if (_live.Latency is null)
        {
            Interlocked.CompareExchange(ref _live.Latency, new PeakLatency(decay, initial, _live.Time), null);
        }

        return _live.Latency;
    }

    /// <inheritdoc/>
    public override string ToString() => $"{Destination.Name} ({State}, {InFlight} in flight)";

    /// <summary>Takes a seat. The state is read after the seat is taken, so that a drain which counted none in flight stays true.</summary>
    internal bool TryBegin(bool known)
    {
        if (Limit == 0)
        {
            Interlocked.Increment(ref _live.InFlight.Value);
        }
        else
        {
            // Never counted above the limit, not even for a moment: who came then would find the last seat taken by nobody.
            int before;
            do
            {
                before = Volatile.Read(ref _live.InFlight.Value);
                if (before >= Limit)
                {
                    return false;
                }
            }
            while (Interlocked.CompareExchange(ref _live.InFlight.Value, before + 1, before) != before);
        }

        var state = (MemberState)Volatile.Read(ref _live.State);
        if (state == MemberState.Active || (known && state == MemberState.Draining))
        {
            return true;
        }

        End();
        return false;
    }

    internal void End()
    {
        if (Interlocked.Decrement(ref _live.InFlight.Value) == 0)
        {
            Volatile.Read(ref _live.Idle)?.TrySetResult();
        }
    }

    internal void Learn(in Outcome outcome)
    {
        switch (outcome.Kind)
        {
            case OutcomeKind.NotConnected:
                _live.Unreached.Add(1, _live.Time);
                break;
            case OutcomeKind.TimedOut:
                _live.Failed.Add(1, _live.Time);
                _live.Latency?.Raise(outcome.Elapsed); // it takes that long at the least
                break;
            case OutcomeKind.Broken or OutcomeKind.BodyBroken:
                _live.Failed.Add(1, _live.Time);
                break;
            case OutcomeKind.Answered when outcome.Status >= 500:
                _live.Failed.Add(1, _live.Time);
                break;
            case OutcomeKind.Answered:
                _live.Latency?.Observe(outcome.Elapsed);
                break;
            default:
                break;
        }
    }

    internal static Availability Worst(ImmutableArray<Belief> beliefs)
    {
        var worst = Availability.Up;
        foreach (var belief in beliefs)
        {
            worst = belief.Availability > worst ? belief.Availability : worst;
        }

        return worst;
    }

    internal static MemberStanding StandingOf(MemberState state, Availability availability) => (state, availability) switch
    {
        (MemberState.Off, _) => MemberStanding.Off,
        (_, Availability.Down) => MemberStanding.Down,
        (MemberState.Draining, _) or (_, Availability.Draining) => MemberStanding.Draining,
        (_, Availability.Trial) => MemberStanding.Trial,
        (_, Availability.Degraded) => MemberStanding.Degraded,
        _ => MemberStanding.Active,
    };

    /// <summary>What is said of it.</summary>
    /// <param name="State">Whether it takes traffic.</param>
    /// <param name="Reason">Why it is in that state.</param>
    /// <param name="Since">Since when.</param>
    /// <param name="Beliefs">What is believed of it.</param>
    internal readonly record struct Status(MemberState State, string? Reason, DateTimeOffset Since, ImmutableArray<Belief> Beliefs);

    /// <summary>What outlives snapshots: one for each seat, for as long as its destination keeps its name and address.</summary>
    [SuppressMessage("Reliability", "CA1001", Justification = "Its source has no timer and no handle; it goes with the object.")]
    internal sealed class LiveFigures(TimeProvider time)
    {
        public readonly TimeProvider Time = time;
        public readonly DecayingSum Unreached = new(TimeSpan.FromSeconds(5));
        public readonly DecayingSum Failed = new(TimeSpan.FromSeconds(1));
        public readonly Notes Notes = new();
        public CancellationTokenSource Retired = new();
        public TaskCompletionSource? Idle; // a drain waits for it
        public int State; // a MemberState, the newest: a pick from an older snapshot must not pass it
        public PeakLatency? Latency;
        public PaddedCount InFlight;

        /// <summary>Its failures count no longer.</summary>
        public void Forgive()
        {
            Unreached.Clear();
            Failed.Clear();
        }
    }

    /// <summary>A counter alone on its cache lines, so that members' counts do not slow each other down.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 128)]
    internal struct PaddedCount
    {
        [FieldOffset(64)]
        public int Value;
    }
}

/// <summary>Whether a member takes traffic.</summary>
public enum MemberState
{
    /// <summary>It takes new requests.</summary>
    Active,

    /// <summary>It finishes what it has and keeps the sessions that stick to it until its deadline; nothing new comes.</summary>
    Draining,

    /// <summary>It takes nothing.</summary>
    Off,
}
