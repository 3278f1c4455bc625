namespace ProxyKit;

/// <summary>One attempt at one member. Report how it went once known; dispose it when the last byte has passed.</summary>
/// <remarks>
/// A value, so that a pick allocates nothing: what stands behind it is used again once it is disposed. Copies are the same lease,
/// and what comes after the first <see cref="Dispose"/> of any of them does nothing.
/// </remarks>
public readonly struct Lease : IDisposable, IEquatable<Lease>
{
    private readonly Seat? _seat;
    private readonly long _version;

    private Lease(Seat seat, long version) => (_seat, _version) = (seat, version);

    /// <summary>Whether it holds a seat: false for <c>default</c> and after it was disposed.</summary>
    public bool IsHeld => _seat is not null && Volatile.Read(ref _seat.Standing) >> Seat.VersionShift == _version;

    /// <summary>Whom to send the request to.</summary>
    /// <exception cref="InvalidOperationException">It holds no seat.</exception>
    public Member Member
    {
        get
        {
            // Read before the version is looked at: while that is still this lease's own, nobody else has filled the seat.
            var member = _seat is null ? null : Volatile.Read(ref _seat.Member);
            return IsHeld ? member! : throw new InvalidOperationException("The lease holds no seat: nothing was picked, or it was disposed.");
        }
    }

    /// <summary>
    /// Tells the pool how the attempt went, timed from the pick. Only the first report counts, and <see cref="OutcomeKind.BodyBroken"/>
    /// after <see cref="OutcomeKind.Answered"/>.
    /// </summary>
    /// <param name="kind">What happened.</param>
    /// <param name="status">The member's HTTP status, where it answered.</param>
    /// <param name="retryAfter">How long the member asked to be left alone; see <see cref="Outcome.RetryAfter"/>.</param>
    /// <param name="reported">How the member says it stands; see <see cref="Outcome.Reported"/>.</param>
    public void Report(OutcomeKind kind, int? status = null, TimeSpan? retryAfter = null, Availability? reported = null)
    {
        while (_seat is not null)
        {
            // All is read before the exchange: that succeeds only if the seat was this lease's until then.
            var standing = Volatile.Read(ref _seat.Standing);
            var (pool, member, began) = (_seat.Pool, _seat.Member, _seat.Began);
            var told = standing & Seat.ToldMask;
            if (standing >> Seat.VersionShift != _version || told == Seat.Closed || (told == Seat.Answered && kind != OutcomeKind.BodyBroken))
            {
                return;
            }

            var next = (_version << Seat.VersionShift) | (kind == OutcomeKind.Answered ? Seat.Answered : Seat.Closed);
            if (Interlocked.CompareExchange(ref _seat.Standing, next, standing) == standing)
            {
                pool!.Report(member!, new Outcome(kind, pool.Time.GetElapsedTime(began), status, retryAfter, reported));
                return;
            }
        }
    }

    /// <summary>Frees the seat. An attempt that nobody reported was abandoned.</summary>
    public void Dispose()
    {
        while (_seat is not null)
        {
            var standing = Volatile.Read(ref _seat.Standing);
            var (pool, member, began) = (_seat.Pool, _seat.Member, _seat.Began);
            if (standing >> Seat.VersionShift != _version)
            {
                return;
            }

            // Whoever raises the version owns the end; a second dispose, of this copy or another, finds it raised.
            if (Interlocked.CompareExchange(ref _seat.Standing, (_version + 1) << Seat.VersionShift, standing) == standing)
            {
                Seat.Return(_seat);
                try
                {
                    if ((standing & Seat.ToldMask) == 0)
                    {
                        pool!.Report(member!, new Outcome(OutcomeKind.Abandoned, pool.Time.GetElapsedTime(began)));
                    }
                }
                finally
                {
                    pool!.Leave(member!); // an observer that throws must not keep the seat
                }

                return;
            }
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
        (seat.Pool, seat.Member, seat.Began) = (pool, member, pool.Time.GetTimestamp());
        return new(seat, seat.Standing >> Seat.VersionShift);
    }

    /// <summary>What a lease stands on. Kept for each thread, at most 128, to be used again.</summary>
    private sealed class Seat
    {
        public const int VersionShift = 2;
        public const long ToldMask = 3;
        public const long Answered = 1;
        public const long Closed = 2; // nothing more is listened to

        public Pool? Pool;
        public Member? Member;
        public long Began;

        // The version and what was reported, in one word: a report must fail as a whole once the seat is another lease's.
        public long Standing;

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

    /// <summary>The pool's circuit breaker is open: the request is not to be sent.</summary>
    CircuitOpen,
}
