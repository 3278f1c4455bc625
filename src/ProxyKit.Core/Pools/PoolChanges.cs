using System.Collections.Immutable;

namespace ProxyKit;

// All that changes a pool. Each change publishes a new snapshot under one lock; readers take none.
public sealed partial class Pool
{
    private const string AskedToWait = "retry-after";
    private const string Control = "control";
    private const string Composition = "configuration";

    /// <summary>A member that asks to be left alone for longer is asked again after this: a wrong <c>Retry-After</c> must not cost it a day.</summary>
    private static readonly TimeSpan LongestPause = TimeSpan.FromMinutes(5);

    private static readonly TimeSpan LeastStep = TimeSpan.FromMilliseconds(10);

    // What the platform's timers can bear.
    private static readonly TimeSpan LongestDrain = TimeSpan.FromDays(49);

    private readonly Lock _publishing = new();
    private readonly List<Place> _leaving = []; // removed, with requests still in flight
    private OrderedDictionary<string, Place> _places = [];
    private ImmutableDictionary<string, ImmutableArray<Belief>> _beliefs = ImmutableDictionary.Create<string, ImmutableArray<Belief>>(StringComparer.Ordinal);
    private double _admission = 1;
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

    /// <summary>Says what one source thinks of a destination; false where that changes nothing or there is none of that name.</summary>
    /// <param name="destination">Its name.</param>
    /// <param name="source">Who thinks so. Of what several sources think the worst counts.</param>
    /// <param name="availability">What it thinks; <see cref="Availability.Up"/> takes back what it thought before.</param>
    /// <param name="reason">Why, in words for people. Another reason for the same replaces the one before; null leaves it.</param>
    public bool Believe(string destination, string source, Availability availability, string? reason = null)
    {
        ArgumentNullException.ThrowIfNull(destination);
        ArgumentException.ThrowIfNullOrEmpty(source);
        lock (_publishing)
        {
            if (!_places.TryGetValue(destination, out var place))
            {
                return false;
            }

            var before = _beliefs.GetValueOrDefault(destination, []);
            var others = before.RemoveAll(belief => belief.Source == source);
            var own = before.FirstOrDefault(belief => belief.Source == source);
            var isSame = (own?.Availability ?? Availability.Up) == availability;
            if (isSame && (own is null || reason is null || reason == own.Reason))
            {
                return false;
            }

            var since = isSame ? own!.Since : Time.GetUtcNow(); // the same for another reason
            var after = availability == Availability.Up ? others : others.Add(new Belief(source, availability, reason, since));
            _beliefs = after.IsEmpty ? _beliefs.Remove(destination) : _beliefs.SetItem(destination, after);

            // Whoever found it well again has more to go by than old failures, which would go on keeping traffic from it, and a trial too.
            if (Illness(before) == Availability.Down && Illness(after) < Availability.Down)
            {
                place.Live.Forgive();
            }

            // A pause that it asked for itself is no illness, and before the pool takes traffic all are equally cold.
            if (Illness(before) >= Availability.Trial && Illness(after) < Availability.Trial && Ready.IsCompleted)
            {
                place.Now = place.Now with { Came = Time.GetTimestamp() };
            }

            Publish(source, reason);
            return true;
        }

        static Availability Illness(ImmutableArray<Belief> beliefs) => Member.Worst(beliefs.RemoveAll(belief => belief.Source == AskedToWait));
    }

    /// <summary>Says that a destination should have traffic or not: <see cref="Believe"/> for who knows no more than that.</summary>
    /// <param name="destination">Its name.</param>
    /// <param name="source">Who says so.</param>
    /// <param name="available">What it says.</param>
    /// <param name="reason">Why.</param>
    public bool SetAvailable(string destination, string source, bool available, string? reason = null) =>
        Believe(destination, source, available ? Availability.Up : Availability.Down, reason);

    /// <summary>Says which share of new requests the pool takes, 0 to 1: what a circuit breaker does. The others are told <see cref="PickStatus.CircuitOpen"/>.</summary>
    /// <returns>Whether that changed anything.</returns>
    public bool SetAdmission(double share)
    {
        if (!(share >= 0 && share <= 1))
        {
            throw new ArgumentOutOfRangeException(nameof(share), share, "The share must be 0 to 1.");
        }

        lock (_publishing)
        {
            if (_admission == share)
            {
                return false;
            }

            _admission = share;
            Publish(Control, null);
            return true;
        }
    }

    /// <summary>Puts a destination into a state; false where it is in it already or there is none of that name.</summary>
    /// <param name="destination">Its name.</param>
    /// <param name="state">The state. <see cref="MemberState.Off"/> ends what still runs on it.</param>
    /// <param name="reason">Why, in words for people.</param>
    public bool SetState(string destination, MemberState state, string? reason = null)
    {
        lock (_publishing)
        {
            return _places.TryGetValue(destination, out var place) && Enter(place, state, Control, reason);
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
    /// <param name="reason">Why, in words for people.</param>
    /// <param name="cancellationToken">Ends the wait, not the drain.</param>
    /// <returns>How many requests were still in flight at the end; 0 is a clean drain.</returns>
    /// <exception cref="KeyNotFoundException">There is no destination of that name.</exception>
    public Task<int> DrainAsync(string destination, TimeSpan deadline, string? reason = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(destination);
        ArgumentOutOfRangeException.ThrowIfLessThan(deadline, TimeSpan.Zero);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(deadline, LongestDrain);
        lock (_publishing)
        {
            return _places.TryGetValue(destination, out var place)
                ? Begin(place, deadline, Control, reason).WaitAsync(cancellationToken)
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
            var now = Time.GetUtcNow();
            var next = list.Select(destination => Seat(destination, came, now)).ToList();
            var stay = next.Select(entry => entry.Place).ToHashSet();
            var gone = _places.Values.Where(place => !stay.Contains(place)).ToList();
            var names = gone.Select(place => place.Now.Destination.Name).ToHashSet();
            var beliefs = _beliefs.RemoveRange(names);
            if (used.Get<ProvenFirst>() is { } proof)
            {
                var unproven = next.Where(entry => entry.Place.IsNew).Select(entry => entry.Now.Destination.Name);
                beliefs = beliefs.SetItems(unproven.Select(name => KeyValuePair.Create(name, ImmutableArray.Create(new Belief(proof.Source, Availability.Down, proof.Reason, now)))));
            }

            var snapshot = Build(next, beliefs, used);

            var before = next.Select(entry => entry.Place.Now.State).ToList();
            foreach (var (place, standing) in next)
            {
                place.Now = standing;
                place.IsNew = false;
                place.Leaving?.Dispose();
                place.Leaving = null;
                _leaving.Remove(place);
            }

            _places = new(next.Select(entry => KeyValuePair.Create(entry.Now.Destination.Name, entry.Place)));
            _beliefs = beliefs;
            Show(snapshot, Composition, null);
            var timeout = (used.Get<DrainOptions>() ?? new DrainOptions()).Timeout;
            foreach (var (entry, state) in next.Zip(before))
            {
                if (entry.Now.State == MemberState.Draining && state != MemberState.Draining)
                {
                    _ = Begin(entry.Place, timeout, Composition, null);
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
    private (Place Place, Standing Now) Seat(Destination destination, long? came, DateTimeOffset now)
    {
        if (_places.TryGetValue(destination.Name, out var place) && place.Now.Destination.Address == destination.Address)
        {
            var state = (place.Now.Destination.Disabled, destination.Disabled, place.Now.State) switch
            {
                (false, true, MemberState.Active) => MemberState.Draining,
                (true, false, _) => MemberState.Active,
                _ => place.Now.State,
            };
            var entered = state == place.Now.State ? place.Now : place.Now with { State = state, Since = now, Reason = destination.Disabled ? "disabled" : null };
            return (place, entered with { Destination = destination, Came = place.Now.State == MemberState.Off && state == MemberState.Active ? came : place.Now.Came });
        }

        // Back while its last requests still run, as DNS answers come and go: they go on counting against its limit.
        var back = _leaving.Find(place => place.Now.Destination.Name == destination.Name && place.Now.Destination.Address == destination.Address);
        var disabled = back is null ? MemberState.Off : MemberState.Draining;
        var standing = new Standing(destination, destination.Disabled ? disabled : MemberState.Active, came, destination.Disabled ? "disabled" : null, now);
        return (back ?? new Place(standing, new Member.LiveFigures(Time)), standing);
    }

    private bool Enter(Place place, MemberState state, string source, string? reason)
    {
        if (place.Now.State == state && !(state == MemberState.Off && place.Drain is not null))
        {
            return false;
        }

        place.Now = place.Now with { State = state, Came = place.Now.State == MemberState.Off && state != MemberState.Off ? Time.GetTimestamp() : place.Now.Came, Reason = reason, Since = Time.GetUtcNow() };
        Publish(source, reason);
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

    private Task<int> Begin(Place place, TimeSpan deadline, string source, string? reason)
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
        Enter(place, MemberState.Draining, source, reason);
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
                    place.Now = place.Now with { State = MemberState.Off, Since = Time.GetUtcNow() };
                    Publish(Control, "drained");
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
                Enter(place, MemberState.Off, Control, "the deadline of its drain has passed");
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
            Believe(member.Destination.Name, AskedToWait, Availability.Down, "it asked to be left alone");
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
                Believe(place.Now.Destination.Name, AskedToWait, Availability.Up);
            }
        }
    }

    private void Publish(string source, string? reason) =>
        Show(Build([.. _places.Values.Select(place => (place, place.Now))], _beliefs, Snapshot.Settings), source, reason);

    private PoolSnapshot Build(IReadOnlyList<(Place Place, Standing Now)> places, ImmutableDictionary<string, ImmutableArray<Belief>> beliefs, PoolSettings settings)
    {
        var limit = settings.Get<LimitOptions>()?.MaxPerDestination ?? 0;
        var slowStart = settings.Get<SlowStartOptions>();
        var candidates = places.Where(entry => IsCandidate(entry.Now)).Select(entry => (entry.Now.Destination.Priority, Member.Worst(Of(entry.Now)))).ToArray();
        var parts = Serving.Choose(candidates, settings.Get<PanicOptions>());
        var (members, available) = (new List<Member>(places.Count), new List<Member>(candidates.Length));
        var next = 0;
        foreach (var (place, now) in places)
        {
            var part = IsCandidate(now) ? parts[next++] : new Serving.Part(false, 1, false, false);
            var warmth = slowStart is not null && now.Came is { } since ? slowStart.Warmth(Time.GetElapsedTime(since)) : 1;
            var status = new Member.Status(now.State, now.Reason, now.Since, Of(now));
            var member = new Member(now.Destination, place.Live, status, part.Serves ? warmth * part.Share : warmth, part.IsOnTrial ? 1 : limit);
            members.Add(member);
            if (part.Serves)
            {
                available.Add(member);
            }
        }

        return new PoolSnapshot(members, available, settings) { IsInPanic = parts.Any(part => part.IsInPanic), Admission = _admission };

        ImmutableArray<Belief> Of(Standing now) => beliefs.GetValueOrDefault(now.Destination.Name, []);

        static bool IsCandidate(Standing now) => now.State == MemberState.Active && now.Destination.Weight > 0;
    }

    // What a snapshot lets in is allowed before it is seen, what it keeps out is forbidden after: so no pick, from the old one
    // or the new, is refused by every member that it is sent to.
    private void Show(PoolSnapshot snapshot, string source, string? reason)
    {
        var before = _snapshot;
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
        before.MarkReplaced();
        if (MemberChanged is { } changed)
        {
            for (var i = 0; i < snapshot.Members.Length; i++)
            {
                // Most changes leave everybody in his place, so that a large pool is not searched once for each of its members.
                var member = snapshot.Members[i];
                var same = i < before.Members.Length && before.Members[i].Hash == member.Hash ? before.Members[i] : before.Find(member.Hash);
                if (same is { } old && old.Standing != member.Standing)
                {
                    changed(this, new MemberChange(this, member.Destination.Name, old.Standing, member.Standing, source, reason));
                }
            }
        }
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
                Publish(Control, null);
            }
        }
    }

    /// <summary>How a destination stands.</summary>
    /// <param name="Destination">The fixed part.</param>
    /// <param name="State">Whether it takes traffic.</param>
    /// <param name="Came">When it began to warm up; null once warm.</param>
    /// <param name="Reason">Why it is in its state.</param>
    /// <param name="Since">Since when.</param>
    private readonly record struct Standing(Destination Destination, MemberState State, long? Came, string? Reason, DateTimeOffset Since);

    /// <summary>What the pool knows of a destination from one snapshot to the next.</summary>
    private sealed class Place(Standing now, Member.LiveFigures live)
    {
        public readonly Member.LiveFigures Live = live;
        public Standing Now = now;
        public bool IsNew = true; // not yet in any snapshot
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
