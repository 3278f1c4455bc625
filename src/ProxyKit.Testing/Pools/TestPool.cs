using Microsoft.Extensions.Time.Testing;

namespace ProxyKit.Testing;

/// <summary>A pool under a clock and a chance of its own: what a policy does with any traffic, in no time and the same every time.</summary>
public sealed class TestPool : IDisposable
{
    /// <summary>A pool of <paramref name="destinations"/>.</summary>
    /// <param name="destinations">Its destinations.</param>
    /// <param name="settings">How it is set up; <see cref="PoolSettings.Default"/> where null.</param>
    /// <param name="seed">What chance grows from.</param>
    /// <param name="observers">Who learns how attempts end.</param>
    public TestPool(IEnumerable<Destination> destinations, PoolSettings? settings = null, ulong seed = 1, IEnumerable<IOutcomeObserver>? observers = null) =>
        Pool = new Pool("test", destinations, settings, observers, Time, seed);

    /// <summary>A pool of destinations that have nothing but a name and a weight, such as <c>"a"</c> or <c>"b=3"</c>, under <paramref name="policy"/>.</summary>
    public TestPool(IBalancingPolicy policy, params string[] destinations)
        : this(destinations.Select(Named), PoolSettings.Default.With(policy))
    {
    }

    /// <summary>The pool's clock.</summary>
    public FakeTimeProvider Time { get; } = new();

    /// <summary>The pool.</summary>
    public Pool Pool { get; }

    /// <summary>A destination of that name at an address that does not exist; a weight may follow, as in <c>"a=3"</c>.</summary>
    public static Destination Named(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        var parts = text.Split('=', 2);
        var weight = parts.Length == 1 ? 1 : int.Parse(parts[1], System.Globalization.CultureInfo.InvariantCulture);
        return new Destination(parts[0], new Uri($"http://{parts[0]}.invalid")) { Weight = weight };
    }

    /// <summary>Sends requests through the pool and moves the clock as their answers take.</summary>
    /// <param name="requests">How many.</param>
    /// <param name="answer">What comes of an attempt; its <see cref="Outcome.Elapsed"/> is how long the attempt holds its seat.</param>
    /// <param name="every">The time from one request to the next, so that they overlap; null sends each when the one before has ended.</param>
    /// <param name="attempts">How often a request may be sent at the most, each time to another member, until one does not fail.</param>
    /// <param name="key">The key of each request, see <see cref="PickRequest.Key"/>.</param>
    public TestRun Run(int requests, Func<TestAttempt, Outcome> answer, TimeSpan? every = null, int attempts = 1, Func<int, ulong?>? key = null)
    {
        ArgumentNullException.ThrowIfNull(answer);
        ArgumentOutOfRangeException.ThrowIfLessThan(attempts, 1);
        var run = new TestRun(Pool.Snapshot.Members.Select(member => member.Destination.Name));
        var due = new PriorityQueue<Action, (TimeSpan At, bool Comes, long Order)>(); // who leaves makes room for who comes at the same time
        var (now, order) = (TimeSpan.Zero, 0L);
        void At(TimeSpan when, Action act, bool comes = false) => due.Enqueue(act, (when, comes, order++));

        void Next(int number)
        {
            if (number < requests)
            {
                Send(number, 1, [], every is null ? () => Next(number + 1) : () => { });
            }
        }

        void Send(int number, int attempt, Member[] tried, Action ended)
        {
            if (Pool.TryPick(out var lease, key?.Invoke(number), tried: tried) != PickStatus.Picked)
            {
                run.End(tried.Length == 0 ? TestEnd.Refused : TestEnd.Failed, null);
                At(now, ended);
                return;
            }

            var member = lease.Member;
            run.Sent(member.Destination.Name);
            var outcome = answer(new TestAttempt(number, attempt, member, now));
            At(now + outcome.Elapsed, () =>
            {
                lease.Report(outcome.Kind, outcome.Status, outcome.RetryAfter, outcome.Reported);
                lease.Dispose();
                if (outcome.IsFailure && attempt < attempts)
                {
                    Send(number, attempt + 1, [.. tried, member], ended);
                    return;
                }

                run.End(outcome.IsFailure ? TestEnd.Failed : TestEnd.Served, member.Destination.Name);
                ended();
            });
        }

        if (every is { } gap)
        {
            for (var i = 0; i < requests; i++)
            {
                var number = i;
                At(gap * i, () => Next(number), comes: true);
            }
        }
        else
        {
            At(TimeSpan.Zero, () => Next(0));
        }

        while (due.TryDequeue(out var act, out var moment))
        {
            Time.Advance(moment.At - now);
            now = moment.At;
            act();
        }

        return run;
    }

    /// <summary>Ends the pool.</summary>
    public void Dispose() => Pool.Dispose();
}
