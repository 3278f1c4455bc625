using System.Collections.Immutable;

namespace ProxyKit;

// All that changes a pool. Each change publishes a new snapshot under one lock; readers take none.
public sealed partial class Pool
{
    private const string AskedToWait = "retry-after";

    private readonly Lock _publishing = new();
    private readonly Dictionary<string, Place> _places = [];
    private ImmutableHashSet<(string Destination, string Source)> _down = [];
    private ITimer? _warming;
    private bool _disposed;

    /// <summary>
    /// Publishes other destinations and settings, both at once. Destinations that keep name and address keep their live figures and
    /// state; one that is gone gets nothing new and finishes what it has, until <see cref="DrainOptions.Timeout"/>.
    /// </summary>
    /// <exception cref="ArgumentException">The destinations have faults; the message lists every one, and nothing has changed.</exception>
    /// <param name="destinations">All destinations from now on; null keeps those there are.</param>
    /// <param name="settings">All settings from now on; null keeps those there are.</param>
    public void Update(IEnumerable<Destination>? destinations, PoolSettings? settings = null)
    {
        lock (_publishing)
        {
            Update(destinations ?? Snapshot.Members.Select(member => member.Destination), settings, warm: false);
        }
    }

    /// <summary>Says that a destination should have traffic or not; false where that changes nothing or there is none of that name.</summary>
    /// <param name="destination">Its name.</param>
    /// <param name="source">Who says so. A destination is down while any source says it is.</param>
    /// <param name="available">What it says.</param>
    public bool SetAvailable(string destination, string source, bool available)
    {
        lock (_publishing)
        {
            if (!_places.TryGetValue(destination, out var place))
            {
                return false;
            }

            var entry = (destination, source);
            var down = available ? _down.Remove(entry) : _down.Add(entry);
            if (down == _down)
            {
                return false;
            }

            _down = down;
            if (available && source != AskedToWait && !IsDown(destination))
            {
                place.Came = Time.GetTimestamp();
            }

            Publish(Snapshot.Settings);
            return true;
        }
    }

    /// <summary>Puts a destination into a state; false where it is in it already or there is none of that name.</summary>
    /// <param name="destination">Its name.</param>
    /// <param name="state">The state. <see cref="MemberState.Off"/> ends what still runs on it.</param>
    public bool SetState(string destination, MemberState state)
    {
        lock (_publishing)
        {
            return _places.TryGetValue(destination, out var place) && Enter(place, state);
        }
    }

    /// <summary>
    /// Drains a destination: nothing new comes, what it has ends, and then it is off. Where sessions stick to it
    /// (<see cref="DrainOptions.KeepSessions"/>) they go on coming until the deadline.
    /// </summary>
    /// <param name="destination">Its name.</param>
    /// <param name="deadline">How long that may take; what still runs then is ended.</param>
    /// <param name="cancellationToken">Ends the wait; the destination stays draining, with no deadline.</param>
    /// <returns>How many requests were still in flight at the end; 0 is a clean drain.</returns>
    /// <exception cref="KeyNotFoundException">There is no destination of that name.</exception>
    public async Task<int> DrainAsync(string destination, TimeSpan deadline, CancellationToken cancellationToken = default)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(deadline, TimeSpan.Zero);
        Place place;
        Task over;
        lock (_publishing)
        {
            if (!_places.TryGetValue(destination, out place!))
            {
                throw new KeyNotFoundException($"Pool '{Name}' has no destination '{destination}'. There are: {string.Join(", ", _places.Keys.Order().Select(name => $"'{name}'"))}.");
            }

            place.Live.Idle = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            place.Changed?.TrySetResult();
            place.Changed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            Enter(place, MemberState.Draining);
            over = Snapshot.Settings.Get<DrainOptions>() is { KeepSessions: true }
                ? place.Changed.Task
                : Task.WhenAny(place.Changed.Task, place.Live.Idle.Task);
            if (Volatile.Read(ref place.Live.InFlight.Value) == 0)
            {
                place.Live.Idle.TrySetResult();
            }
        }

        try
        {
            await over.WaitAsync(deadline, Time, cancellationToken);
        }
        catch (TimeoutException)
        {
            // The deadline is one of the ways for a drain to end.
        }

        lock (_publishing)
        {
            var left = Volatile.Read(ref place.Live.InFlight.Value);
            if (place.State == MemberState.Draining)
            {
                Enter(place, MemberState.Off);
            }

            return left;
        }
    }

    internal static IEnumerable<string> Faults(IReadOnlyList<Destination> destinations)
    {
        foreach (var fault in destinations.SelectMany(destination => destination.Faults()))
        {
            yield return fault;
        }

        foreach (var twice in destinations.GroupBy(destination => destination.Name, StringComparer.Ordinal).Where(group => group.Count() > 1))
        {
            yield return $"The name '{twice.Key}' stands {twice.Count()} times; each destination needs its own.";
        }
    }

    private void Update(IEnumerable<Destination> destinations, PoolSettings? settings, bool warm)
    {
        IReadOnlyList<Destination> list = [.. destinations];
        var faults = Faults(list).ToList();
        if (faults.Count > 0)
        {
            throw new ArgumentException($"Pool '{Name}': {string.Join(" ", faults)}", nameof(destinations));
        }

        lock (_publishing)
        {
            var first = warm || _places.Count == 0;
            var gone = _places.Values.ToDictionary(place => place.Destination.Name);
            var order = 0;
            foreach (var destination in list)
            {
                if (_places.TryGetValue(destination.Name, out var place) && place.Destination.Address == destination.Address)
                {
                    gone.Remove(destination.Name);
                    (place.Destination, var before) = (destination, place.Destination);
                    if (destination.Disabled != before.Disabled)
                    {
                        Enter(place, destination.Disabled ? MemberState.Draining : MemberState.Active, publish: false);
                    }
                }
                else
                {
                    place = new Place(destination, new Member.LiveFigures(Time), first ? null : Time.GetTimestamp());
                    if (destination.Disabled)
                    {
                        Enter(place, MemberState.Off, publish: false);
                    }

                    _places[destination.Name] = place;
                }

                place.Order = order++;
            }

            var used = settings ?? Snapshot.Settings;
            foreach (var place in gone.Values)
            {
                if (_places.TryGetValue(place.Destination.Name, out var now) && now == place)
                {
                    _places.Remove(place.Destination.Name);
                    _down = _down.Except(_down.Where(entry => entry.Destination == place.Destination.Name));
                }

                Retire(place, used.Get<DrainOptions>()?.Timeout ?? new DrainOptions().Timeout);
            }

            Publish(used);
        }
    }

    private bool Enter(Place place, MemberState state, bool publish = true)
    {
        if (place.State == state)
        {
            return false;
        }

        if (place.State == MemberState.Off)
        {
            place.Came = Time.GetTimestamp();
            if (place.Live.Retired.IsCancellationRequested)
            {
                place.Live.Retired = new CancellationTokenSource();
            }
        }

        place.State = state;
        Volatile.Write(ref place.Live.State, (int)state);
        if (state != MemberState.Draining)
        {
            place.Changed?.TrySetResult();
            place.Changed = null;
        }

        if (state == MemberState.Off)
        {
            place.Live.Retired.Cancel();
        }

        if (publish)
        {
            Publish(Snapshot.Settings);
        }

        return true;
    }

    // Removed: new picks are refused from here on, what runs goes on until the time is over.
    private void Retire(Place place, TimeSpan timeout)
    {
        Volatile.Write(ref place.Live.State, (int)MemberState.Off);
        place.Changed?.TrySetResult();
        if (Volatile.Read(ref place.Live.InFlight.Value) == 0)
        {
            place.Live.Retired.Cancel();
            return;
        }

        var source = place.Live.Retired;
        ITimer? timer = null;
        timer = Time.CreateTimer(
            _ =>
            {
                source.Cancel();
                timer?.Dispose();
            },
            null,
            timeout,
            Timeout.InfiniteTimeSpan);
    }

    private void PassOver(Member member, TimeSpan pause)
    {
        var name = member.Destination.Name;
        var until = Time.GetTimestamp() + (long)(pause.TotalSeconds * Time.TimestampFrequency);
        lock (_publishing)
        {
            if (_disposed || !_places.TryGetValue(name, out var place) || place.Live != member.Live || place.PassedOverUntil >= until)
            {
                return;
            }

            place.PassedOverUntil = until;
            place.Pause ??= Time.CreateTimer(_ => SetAvailable(name, AskedToWait, available: true), null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
            place.Pause.Change(pause, Timeout.InfiniteTimeSpan);
        }

        SetAvailable(name, AskedToWait, available: false);
    }

    private bool IsDown(string destination) => _down.Any(entry => entry.Destination == destination);

    private void Publish(PoolSettings settings)
    {
        var limit = settings.Get<LimitOptions>()?.MaxPerDestination ?? 0;
        var slowStart = settings.Get<SlowStartOptions>();
        var down = _down.Select(entry => entry.Destination).ToHashSet();
        var warming = false;
        var members = _places.Values.OrderBy(place => place.Order).Select(place =>
        {
            var warmth = slowStart is null || place.Came is not { } came ? 1 : slowStart.Warmth(Time.GetElapsedTime(came));
            place.Came = warmth >= 1 ? null : place.Came;
            warming |= place.Came is not null;
            return new Member(place.Destination, place.Live, place.State, warmth, limit, down.Contains(place.Destination.Name));
        }).ToList();

        // Fails open: with no healthy member left, a doubtful one beats a certain refusal.
        var serving = members.Where(member => member.State == MemberState.Active && member.Destination.Weight > 0).ToList();
        var healthy = serving.Where(member => !member.IsDown).ToList();
        Volatile.Write(ref _snapshot, new PoolSnapshot(members, healthy.Count > 0 ? healthy : serving, settings));
        Warm(warming && !_disposed ? slowStart : null);
        _queue.CallAll();
    }

    // While a member warms up, the pool is published again every twentieth of the window.
    private void Warm(SlowStartOptions? slowStart)
    {
        if (slowStart is null)
        {
            _warming?.Dispose();
            _warming = null;
            return;
        }

        _warming ??= Time.CreateTimer(_ => PublishAgain(), null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        _warming.Change(slowStart.Window / 20, Timeout.InfiniteTimeSpan);
    }

    private void PublishAgain()
    {
        lock (_publishing)
        {
            if (!_disposed)
            {
                Publish(Snapshot.Settings);
            }
        }
    }

    /// <summary>What the pool knows of a destination from one snapshot to the next.</summary>
    private sealed class Place(Destination destination, Member.LiveFigures live, long? came)
    {
        public readonly Member.LiveFigures Live = live;
        public Destination Destination = destination;
        public MemberState State;
        public int Order;
        public long? Came = came; // when it began to warm up; null once warm
        public long PassedOverUntil = long.MinValue;
        public ITimer? Pause;
        public TaskCompletionSource? Changed; // a drain waits for it
    }
}
