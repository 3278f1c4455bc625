namespace ProxyKit;

/// <summary>Requests that wait for a seat, first come first served, never more than a bound.</summary>
internal sealed class SeatQueue
{
    private readonly Lock _lock = new();
    private readonly LinkedList<TaskCompletionSource> _waiting = [];
    private int _count;

    public int Count => Volatile.Read(ref _count);

    /// <summary>Takes a place at the end; null where the queue holds <paramref name="bound"/> already.</summary>
    public LinkedListNode<TaskCompletionSource>? TryEnter(int bound)
    {
        lock (_lock)
        {
            if (_waiting.Count >= bound)
            {
                return null;
            }

            var place = _waiting.AddLast(New());
            Volatile.Write(ref _count, _waiting.Count);
            return place;
        }
    }

    /// <summary>Takes the first place again, for one that was called and found the seat gone.</summary>
    public LinkedListNode<TaskCompletionSource> EnterFirst()
    {
        lock (_lock)
        {
            var place = _waiting.AddFirst(New());
            Volatile.Write(ref _count, _waiting.Count);
            return place;
        }
    }

    /// <summary>Whether nobody stands before that place.</summary>
    public bool IsFirst(LinkedListNode<TaskCompletionSource> place)
    {
        lock (_lock)
        {
            return _waiting.First == place;
        }
    }

    /// <summary>Gives the place up; false where it was called in the meantime, and the call must be passed on.</summary>
    public bool Leave(LinkedListNode<TaskCompletionSource> place)
    {
        lock (_lock)
        {
            if (place.List is null)
            {
                return false;
            }

            _waiting.Remove(place);
            Volatile.Write(ref _count, _waiting.Count);
            return true;
        }
    }

    /// <summary>Calls the first that waits: a seat may be free.</summary>
    public void CallNext()
    {
        if (Count == 0)
        {
            return;
        }

        TaskCompletionSource? next = null;
        lock (_lock)
        {
            if (_waiting.First is { } first)
            {
                next = first.Value;
                _waiting.RemoveFirst();
                Volatile.Write(ref _count, _waiting.Count);
            }
        }

        next?.TrySetResult();
    }

    /// <summary>Calls all: the pool has changed.</summary>
    public void CallAll()
    {
        while (Count > 0)
        {
            CallNext();
        }
    }

    private static TaskCompletionSource New() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}
