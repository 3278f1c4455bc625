using System.Collections.Immutable;

namespace ProxyKit;

// All that changes a pool. Each change publishes a new snapshot under one lock; readers take none.
public sealed partial class Pool
{
    private const string AskedToWait = "retry-after";

    /// <summary>A member that asks to be left alone for longer is asked again after this: a wrong <c>Retry-After</c> must not cost it a day.</summary>
    private static readonly TimeSpan LongestPause = TimeSpan.FromMinutes(5);

    private static readonly TimeSpan LeastStep = TimeSpan.FromMilliseconds(10);

    // What the platform's timers can bear.
    private static readonly TimeSpan LongestDrain = TimeSpan.FromDays(49);

    private readonly Lock _publishing = new();
    private readonly List<Place> _leaving = []; // removed, with requests still in flight
    private OrderedDictionary<string, Place> _places = [];
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

        if (destinations is not null)
        {
            _ready.TrySetResult();
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
            if (available && source != AskedToWait && !_down.Any(other => other.Destination == destination && other.Source != AskedToWait))
            {
                place.Now = place.Now with { Came = Time.GetTimestamp() };
            }

            Publish();
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
    /// <remarks>
    /// Who drains what is draining already sets another deadline and waits for the same end. <see cref="SetState"/> ends a drain at once.
    /// A destination that is removed meanwhile goes on draining until then.
    /// </remarks>
    /// <param name="destination">Its name.</param>
    /// <param name="deadline">How long that may take, at most 49 days; what still runs then is ended.</param>
    /// <param name="cancellationToken">Ends the wait, not the drain.</param>
    /// <returns>How many requests were still in flight at the end; 0 is a clean drain.</returns>
    /// <exception cref="KeyNotFoundException">There is no destination of that name.</exception>
    public Task<int> DrainAsync(string destination, TimeSpan deadline, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(destination);
        ArgumentOutOfRangeException.ThrowIfLessThan(deadline, TimeSpan.Zero);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(deadline, LongestDrain);
        lock (_publishing)
        {
            return _places.TryGetValue(destination, out var place)
                ? Begin(place, deadline).WaitAsync(cancellationToken)
                : throw new KeyNotFoundException($"Pool '{Name}' has no destination '{destination}'. There are: {string.Join(", ", _places.Keys.Order(StringComparer.Ordinal).Select(name => $"'{name}'"))}.");
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

    // All is built before anything is touched: a policy that cannot be prepared for the new set leaves the pool as it was.
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
            var used = settings ?? Snapshot.Settings;
            long? came = warm || _places.Count == 0 ? null : Time.GetTimestamp();
            var next = list.Select(destination => Seat(destination, came)).ToList();
            var stay = next.Select(entry => entry.Place).ToHashSet();
            var gone = _places.Values.Where(place => !stay.Contains(place)).ToList();
            var names = gone.Select(place => place.Now.Destination.Name).ToHashSet();
            var down = _down.Except(_down.Where(entry => names.Contains(entry.Destination)));
            var snapshot = Build(next, down, used);

            var before = next.Select(entry => entry.Place.Now.State).ToList();
            foreach (var (place, now) in next)
            {
                place.Now = now;
                place.Leaving?.Dispose();
                place.Leaving = null;
                _leaving.Remove(place);
            }

            _places = new(next.Select(entry => KeyValuePair.Create(entry.Now.Destination.Name, entry.Place)));
            _down = down;
            Show(snapshot);
            var timeout = (used.Get<DrainOptions>() ?? new DrainOptions()).Timeout;
            foreach (var (entry, state) in next.Zip(before))
            {
                if (entry.Now.State == MemberState.Draining && state != MemberState.Draining)
                {
                    _ = Begin(entry.Place, timeout);
                }
                else if (entry.Now.State == MemberState.Active)
                {
                    End(entry.Place.Drain, entry.Place);
                }
            }

            gone.ForEach(place => Retire(place, timeout));
        }
    }

    // The place that a destination keeps, gets back or gets new, and how it will stand in it.
    private (Place Place, Standing Now) Seat(Destination destination, long? came)
    {
        if (_places.TryGetValue(destination.Name, out var place) && place.Now.Destination.Address == destination.Address)
        {
            var state = (place.Now.Destination.Disabled, destination.Disabled, place.Now.State) switch
            {
                (false, true, MemberState.Active) => MemberState.Draining,
                (true, false, _) => MemberState.Active,
                _ => place.Now.State,
            };
            return (place, place.Now with { Destination = destination, State = state, Came = place.Now.State == MemberState.Off && state == MemberState.Active ? came : place.Now.Came });
        }

        // Back while its last requests still run, as DNS answers come and go: they go on counting against its limit.
        var back = _leaving.Find(place => place.Now.Destination.Name == destination.Name && place.Now.Destination.Address == destination.Address);
        var disabled = back is null ? MemberState.Off : MemberState.Draining;
        var now = new Standing(destination, destination.Disabled ? disabled : MemberState.Active, came);
        return (back ?? new Place(now, new Member.LiveFigures(Time)), now);
    }

    private bool Enter(Place place, MemberState state)
    {
        if (place.Now.State == state && !(state == MemberState.Off && place.Drain is not null))
        {
            return false;
        }

        place.Now = place.Now with { State = state, Came = place.Now.State == MemberState.Off && state != MemberState.Off ? Time.GetTimestamp() : place.Now.Came };
        Publish();
        if (state != MemberState.Draining)
        {
            End(place.Drain, place);
        }

        if (state == MemberState.Off)
        {
            _ = place.Live.Retired.CancelAsync(); // what it ends must not run under the lock
        }

        return true;
    }

    private Task<int> Begin(Place place, TimeSpan deadline)
    {
        if (place.Drain is { } running)
        {
            running.Deadline.Change(deadline, Timeout.InfiniteTimeSpan);
            return running.Ended.Task;
        }

        if (place.Now.State == MemberState.Off)
        {
            return Task.FromResult(place.InFlight);
        }

        var drain = new Drain(Snapshot.Settings.Get<DrainOptions>()?.KeepSessions ?? Snapshot.Settings.Get<StickySessions>() is not null);
        place.Drain = drain;
        drain.Deadline = Time.CreateTimer(_ => Expire(place, drain), null, deadline, Timeout.InfiniteTimeSpan);
        Enter(place, MemberState.Draining);
        if (!drain.KeepsSessions)
        {
            _ = FinishAsync(place, drain);
        }

        return drain.Ended.Task;
    }

    // Once it is idle it is switched off; a known session that slipped in before that is waited for as well.
    private async Task FinishAsync(Place place, Drain drain)
    {
        while (true)
        {
            var idle = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            Interlocked.Exchange(ref place.Live.Idle, idle);
            if (place.InFlight > 0)
            {
                await idle.Task;
            }

            lock (_publishing)
            {
                if (place.Drain != drain)
                {
                    return;
                }

                if (place.Now.State == MemberState.Draining)
                {
                    place.Now = place.Now with { State = MemberState.Off };
                    Publish();
                }

                if (place.InFlight == 0)
                {
                    End(drain, place);
                    return;
                }
            }
        }
    }

    private void Expire(Place place, Drain drain)
    {
        lock (_publishing)
        {
            if (place.Drain == drain)
            {
                Enter(place, MemberState.Off);
            }
        }
    }

    private static void End(Drain? drain, Place place)
    {
        if (drain is not null && place.Drain == drain)
        {
            place.Drain = null;
            drain.Deadline.Dispose();
            drain.Ended.TrySetResult(place.InFlight);
        }
    }

    // Removed: new picks are refused from here on, what runs goes on until the time is over.
    private void Retire(Place place, TimeSpan timeout)
    {
        place.Pause?.Dispose();
        place.Pause = null;
        place.PassedOverUntil = long.MinValue;
        place.Now = place.Now with { State = MemberState.Off };
        place.Allow();
        if (place.Drain is { KeepsSessions: true } drain)
        {
            _ = FinishAsync(place, drain); // no session comes any more, so there is nothing else to wait for
        }

        if (place.InFlight == 0)
        {
            _ = place.Live.Retired.CancelAsync();
            return;
        }

        _leaving.Add(place);
        place.Leaving = Time.CreateTimer(_ => Forget(place), null, timeout, Timeout.InfiniteTimeSpan);
    }

    private void Forget(Place place)
    {
        lock (_publishing)
        {
            if (_leaving.Remove(place))
            {
                place.Leaving?.Dispose();
                _ = place.Live.Retired.CancelAsync();
            }
        }
    }

    private void PassOver(Member member, TimeSpan pause)
    {
        if (pause <= TimeSpan.Zero)
        {
            return;
        }

        pause = pause < LongestPause ? pause : LongestPause;
        var until = Time.GetTimestamp() + (long)(pause.TotalSeconds * Time.TimestampFrequency);
        lock (_publishing)
        {
            if (_disposed || !_places.TryGetValue(member.Destination.Name, out var place) || place.Live != member.Live || place.PassedOverUntil >= until)
            {
                return;
            }

            place.PassedOverUntil = until;
            place.Pause ??= Time.CreateTimer(_ => EndPause(place), null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
            place.Pause.Change(pause, Timeout.InfiniteTimeSpan);
            SetAvailable(member.Destination.Name, AskedToWait, available: false);
        }
    }

    private void EndPause(Place place)
    {
        lock (_publishing)
        {
            if (place.Pause is null || _disposed)
            {
                return;
            }

            // A longer pause may have been asked for while the timer fired, and timers may be a little early.
            var left = Time.GetElapsedTime(Time.GetTimestamp(), place.PassedOverUntil);
            if (left > TimeSpan.Zero)
            {
                place.Pause.Change(left + TimeSpan.FromMilliseconds(1), Timeout.InfiniteTimeSpan);
            }
            else
            {
                SetAvailable(place.Now.Destination.Name, AskedToWait, available: true);
            }
        }
    }

    private void Publish() => Show(Build([.. _places.Values.Select(place => (place, place.Now))], _down, Snapshot.Settings));

    private PoolSnapshot Build(IReadOnlyList<(Place Place, Standing Now)> places, ImmutableHashSet<(string Destination, string Source)> down, PoolSettings settings)
    {
        var limit = settings.Get<LimitOptions>()?.MaxPerDestination ?? 0;
        var slowStart = settings.Get<SlowStartOptions>();
        var names = down.Select(entry => entry.Destination).ToHashSet();
        var members = places.Select(entry =>
        {
            var ((destination, state, came), live) = (entry.Now, entry.Place.Live);
            var warmth = slowStart is not null && came is { } since ? slowStart.Warmth(Time.GetElapsedTime(since)) : 1;
            return new Member(destination, live, state, warmth, limit, names.Contains(destination.Name));
        }).ToList();

        // Fails open: with no healthy member left, a doubtful one beats a certain refusal.
        var serving = members.Where(member => member.State == MemberState.Active && member.Destination.Weight > 0).ToList();
        var healthy = serving.Where(member => !member.IsDown).ToList();
        return new PoolSnapshot(members, healthy.Count > 0 ? healthy : serving, settings);
    }

    // What a snapshot lets in is allowed before it is seen, what it keeps out is forbidden after: so no pick, from the old one
    // or the new, is refused by every member that it is sent to.
    private void Show(PoolSnapshot snapshot)
    {
        var slowStart = snapshot.Settings.Get<SlowStartOptions>();
        var warming = false;
        foreach (var place in _places.Values)
        {
            if (place.Now.Came is { } came)
            {
                var warm = slowStart is null || Time.GetElapsedTime(came) >= slowStart.Window;
                place.Now = warm ? place.Now with { Came = null } : place.Now;
                warming |= !warm;
            }

            if (place.Now.State != MemberState.Off && place.Live.Retired.IsCancellationRequested)
            {
                place.Live.Retired = new CancellationTokenSource();
            }

            if ((int)place.Now.State < place.Live.State)
            {
                place.Allow();
            }
        }

        Volatile.Write(ref _snapshot, snapshot);
        foreach (var place in _places.Values)
        {
            place.Allow();
        }

        Warm(warming && !_disposed ? slowStart : null);
        _queue.ServeAll();
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
        var step = slowStart.Window / 20;
        _warming.Change(step > LeastStep ? step : LeastStep, Timeout.InfiniteTimeSpan);
    }

    private void PublishAgain()
    {
        lock (_publishing)
        {
            if (!_disposed)
            {
                Publish();
            }
        }
    }

    /// <summary>How a destination stands.</summary>
    /// <param name="Destination">The fixed part.</param>
    /// <param name="State">Whether it takes traffic.</param>
    /// <param name="Came">When it began to warm up; null once warm.</param>
    private readonly record struct Standing(Destination Destination, MemberState State, long? Came);

    /// <summary>What the pool knows of a destination from one snapshot to the next.</summary>
    private sealed class Place(Standing now, Member.LiveFigures live)
    {
        public readonly Member.LiveFigures Live = live;
        public Standing Now = now;
        public Drain? Drain;
        public ITimer? Leaving; // ends what still runs once it is removed
        public ITimer? Pause; // ends what a Retry-After asked for
        public long PassedOverUntil = long.MinValue;

        public int InFlight => Volatile.Read(ref Live.InFlight.Value);

        // A full fence: who reads the count after this sees every pick that still passed.
        public void Allow() => Interlocked.Exchange(ref Live.State, (int)Now.State);
    }

    /// <summary>A drain that goes on. All who wait for it share it.</summary>
    private sealed class Drain(bool keepsSessions)
    {
        public readonly bool KeepsSessions = keepsSessions;
        public readonly TaskCompletionSource<int> Ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
        public ITimer Deadline = null!; // set at once by who makes it
    }
}
