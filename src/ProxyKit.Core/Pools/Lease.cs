namespace ProxyKit;

/// <summary>One attempt at one member. Report how it went once known; dispose it when the last byte has passed.</summary>
/// <remarks>
/// A value, so that a pick allocates nothing: what stands behind it is used again once it is disposed. Copies are the same lease,
/// and what comes after the first <see cref="Dispose"/> of any of them does nothing.
/// </remarks>
public readonly struct Lease : IDisposable, IEquatable<Lease>
{
    private readonly Seat? _seat;
    private readonly int _version;

    private Lease(Seat seat, int version) => (_seat, _version) = (seat, version);

    /// <summary>Whether it holds a seat: false for <c>default</c> and after it was disposed.</summary>
    public bool IsHeld => _seat is not null && Volatile.Read(ref _seat.Version) == _version;

    /// <summary>Whom to send the request to.</summary>
    /// <exception cref="InvalidOperationException">It holds no seat.</exception>
    public Member Member => IsHeld ? _seat!.Member! : throw new InvalidOperationException("The lease holds no seat: nothing was picked, or it was disposed.");

    /// <summary>Tells the pool how the attempt went, timed from the pick. Only the first report counts, and <see cref="OutcomeKind.BodyBroken"/> after it.</summary>
    public void Report(OutcomeKind kind, int? status = null, TimeSpan? retryAfter = null)
    {
        if (!IsHeld)
        {
            return;
        }

        var expected = kind == OutcomeKind.BodyBroken ? 1 : 0;
        if (Interlocked.CompareExchange(ref _seat!.Reports, expected + 1, expected) == expected)
        {
            var pool = _seat.Pool!;
            pool.Report(_seat.Member!, new Outcome(kind, pool.Time.GetElapsedTime(_seat.Began), status, retryAfter));
        }
    }

    /// <summary>Frees the seat. An attempt that nobody reported was abandoned.</summary>
    public void Dispose()
    {
        // Whoever raises the version owns the end; a second dispose, of this copy or another, finds it raised.
        if (_seat is null || !IsHeld)
        {
            return;
        }

        Report(OutcomeKind.Abandoned);
        var (pool, member) = (_seat.Pool!, _seat.Member!);
        if (Interlocked.CompareExchange(ref _seat.Version, _version + 1, _version) == _version)
        {
            Seat.Return(_seat);
            pool.Leave(member);
        }
    }

    /// <inheritdoc/>
    public bool Equals(Lease other) => ReferenceEquals(_seat, other._seat) && _version == other._version;

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is Lease other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(_seat, _version);

    /// <summary>Whether both are the same lease.</summary>
    public static bool operator ==(Lease left, Lease right) => left.Equals(right);

    /// <summary>Whether they are different leases.</summary>
    public static bool operator !=(Lease left, Lease right) => !left.Equals(right);

    internal static Lease Of(Pool pool, Member member)
    {
        var seat = Seat.Rent();
        (seat.Pool, seat.Member, seat.Began, seat.Reports) = (pool, member, pool.Time.GetTimestamp(), 0);
        return new(seat, seat.Version);
    }

    /// <summary>What a lease stands on. Kept for each thread, at most 128, to be used again.</summary>
    private sealed class Seat
    {
        public Pool? Pool;
        public Member? Member;
        public long Began;
        public int Version;
        public int Reports;

        private const int Kept = 128;

        [ThreadStatic]
        private static Stack<Seat>? _free;

        public static Seat Rent() => _free is { } free && free.TryPop(out var seat) ? seat : new Seat();

        public static void Return(Seat seat)
        {
            (seat.Pool, seat.Member) = (null, null);
            var free = _free ??= new Stack<Seat>(Kept);
            if (free.Count < Kept)
            {
                free.Push(seat);
            }
        }
    }
}

/// <summary>What came of asking a pool for a member.</summary>
public enum PickStatus
{
    /// <summary>There is a lease.</summary>
    Picked,

    /// <summary>No member is left to ask: the pool has none that may serve, or all were tried.</summary>
    NoneLeft,

    /// <summary>Every member that may serve holds as many requests as it may, and the queue is full or waiting took too long.</summary>
    Full,
}
