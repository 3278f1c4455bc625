namespace ProxyKit;

/// <summary>Requests that wait for a seat, first come first served, never more than a bound.</summary>
/// <remarks>
/// A seat is handed over, never announced. So nobody is woken for one that is gone again, and nobody waits beside a free one because
/// whoever stands before cannot use it.
/// </remarks>
internal sealed class SeatQueue(Pool pool)
{
    private readonly Lock _lock = new();
    private readonly LinkedList<Waiter> _line = [];
    private int _count;

    public int Count => Volatile.Read(ref _count);

    /// <summary>Takes a place at the end; null where the queue holds <paramref name="bound"/> already.</summary>
    public Waiter? TryEnter(int bound, ulong? key, Member? preferred, ReadOnlyMemory<Member> tried)
    {
        lock (_lock)
        {
            if (_line.Count >= bound)
            {
                return null;
            }

            var waiter = new Waiter(key, preferred, tried);
            waiter.Place = _line.AddLast(waiter);

            // A seat may have come free since the caller looked. Its holder frees the seat and then reads the count, this counts
            // and then reads the seats, both with a full fence between: one of the two sees the other.
            Interlocked.Increment(ref _count);
            if (pool.HasRoom)
            {
                Serve(int.MaxValue);
            }

            return waiter;
        }
    }

    /// <summary>Gives the place up; false where the waiter was served in the meantime.</summary>
    public bool Leave(Waiter waiter)
    {
        lock (_lock)
        {
            if (waiter.Place!.List is null)
            {
                return false;
            }

            Remove(waiter);
            return true;
        }
    }

    /// <summary>A seat came free: the first who can use it gets it.</summary>
    public void ServeOne()
    {
        if (Count > 0)
        {
            lock (_lock)
            {
                if (pool.HasRoom)
                {
                    Serve(1);
                }
            }
        }
    }

    /// <summary>The pool has changed: all who can be served are, and who has nobody left to wait for is told so.</summary>
    public void ServeAll()
    {
        if (Count > 0)
        {
            lock (_lock)
            {
                Serve(int.MaxValue);
            }
        }
    }

    private void Serve(int seats)
    {
        for (var place = _line.First; place is not null && seats > 0;)
        {
            var (waiter, next) = (place.Value, place.Next);
            var status = pool.PickAdmitted(out var lease, waiter.Key, waiter.Preferred, waiter.Tried.Span);
            if (status != PickStatus.Full)
            {
                Remove(waiter);
                waiter.Served.SetResult((status, lease));
                seats -= status == PickStatus.Picked ? 1 : 0;
            }

            place = next;
        }
    }

    private void Remove(Waiter waiter)
    {
        _line.Remove(waiter.Place!);
        Interlocked.Decrement(ref _count);
    }

    /// <summary>One who waits, and what for.</summary>
    public sealed class Waiter(ulong? key, Member? preferred, ReadOnlyMemory<Member> tried)
    {
        public ulong? Key => key;

        public Member? Preferred => preferred;

        public ReadOnlyMemory<Member> Tried => tried;

        public TaskCompletionSource<(PickStatus Status, Lease Lease)> Served { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public LinkedListNode<Waiter>? Place { get; set; }
    }
}
