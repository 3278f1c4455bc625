namespace ProxyKit.Tests.Pools;

/// <summary>A pool as plainly as it can be written: no snapshots, no threads, no timers. What the real one does must agree with it.</summary>
internal sealed class PoolModel(TimeSpan drainTimeout)
{
    private const string AskedToWait = "retry-after";

    private readonly List<Seat> _leaving = [];

    public List<Seat> Seats { get; private set; } = [];

    public int Limit { get; set; }

    public TimeSpan Now { get; private set; }

    public Seat? Find(string name) => Seats.Find(seat => seat.Destination.Name == name);

    public void Update(IEnumerable<Destination> destinations)
    {
        var next = new List<Seat>();
        foreach (var destination in destinations)
        {
            var old = Find(destination.Name);
            if (old is not null && old.Destination.Address == destination.Address)
            {
                var (was, now) = (old.Destination.Disabled, destination.Disabled);
                old.Destination = destination;
                if (!was && now && old.State == MemberState.Active)
                {
                    Drain(old, drainTimeout);
                }
                else if (was && !now)
                {
                    Enter(old, MemberState.Active);
                }

                next.Add(old);
                continue;
            }

            var back = _leaving.Find(seat => seat.Destination.Name == destination.Name && seat.Destination.Address == destination.Address);
            if (back is null)
            {
                next.Add(new Seat(destination) { State = destination.Disabled ? MemberState.Off : MemberState.Active });
                continue;
            }

            _leaving.Remove(back);
            (back.Destination, back.LeaveAt, back.Retired) = (destination, null, false);
            back.State = MemberState.Draining;
            if (destination.Disabled)
            {
                Drain(back, drainTimeout);
            }
            else
            {
                Enter(back, MemberState.Active);
            }

            next.Add(back);
        }

        foreach (var gone in Seats.Except(next))
        {
            gone.Down.Clear();
            gone.PauseUntil = TimeSpan.MinValue;
            gone.State = MemberState.Off;
            if (gone.InFlight == 0)
            {
                gone.Retired = true;
            }
            else
            {
                gone.LeaveAt = Now + drainTimeout;
                _leaving.Add(gone);
            }
        }

        Seats = next;
    }

    public static bool Enter(Seat seat, MemberState state)
    {
        if (seat.State == state)
        {
            return false;
        }

        seat.Retired = state == MemberState.Off || (seat.Retired && seat.State != MemberState.Off);
        seat.State = state;
        seat.DrainAt = state == MemberState.Draining ? seat.DrainAt : null;
        return true;
    }

    public void Drain(Seat seat, TimeSpan deadline)
    {
        if (seat.State == MemberState.Off)
        {
            return;
        }

        seat.State = MemberState.Draining;
        seat.DrainAt = Now + deadline;
        EndWhenIdle(seat);
    }

    public IReadOnlyList<Seat> Available
    {
        get
        {
            var serving = Seats.Where(seat => seat.State == MemberState.Active && seat.Destination.Weight > 0).ToList();
            var healthy = serving.Where(seat => seat.Down.Count == 0).ToList();
            return healthy.Count > 0 ? healthy : serving;
        }
    }

    public bool HasRoom(Seat seat) => Limit == 0 || seat.InFlight < Limit;

    public bool MayKeep(Seat seat) => seat.State != MemberState.Off && HasRoom(seat) && (seat.Down.Count == 0 || Available.Contains(seat));

    public void Complete(Seat seat, TimeSpan? retryAfter)
    {
        if (retryAfter is { } pause && Seats.Contains(seat) && Now + pause > seat.PauseUntil)
        {
            seat.PauseUntil = Now + pause;
            seat.Down.Add(AskedToWait);
        }

        seat.InFlight--;
        EndWhenIdle(seat);
    }

    public void Advance(TimeSpan time)
    {
        Now += time;
        foreach (var seat in Seats.Concat(_leaving).ToList())
        {
            if (seat.DrainAt <= Now)
            {
                (seat.State, seat.DrainAt, seat.Retired) = (MemberState.Off, null, true);
            }

            if (seat.LeaveAt <= Now)
            {
                (seat.LeaveAt, seat.Retired) = (null, true);
                _leaving.Remove(seat);
            }

            if (seat.PauseUntil <= Now)
            {
                seat.Down.Remove(AskedToWait);
            }
        }
    }

    private static void EndWhenIdle(Seat seat)
    {
        if (seat is { DrainAt: not null, InFlight: 0 })
        {
            (seat.State, seat.DrainAt) = (MemberState.Off, null);
        }
    }

    internal sealed class Seat(Destination destination)
    {
        public Destination Destination { get; set; } = destination;

        public MemberState State { get; set; }

        public int InFlight { get; set; }

        public bool Retired { get; set; }

        public HashSet<string> Down { get; } = [];

        public TimeSpan PauseUntil { get; set; } = TimeSpan.MinValue;

        public TimeSpan? DrainAt { get; set; }

        public TimeSpan? LeaveAt { get; set; }

        public override string ToString() => $"{Destination.Name}@{Destination.Address.Port} x{Destination.Weight} {State} down:{Down.Count > 0} {InFlight} in flight retired:{Retired}";
    }
}
