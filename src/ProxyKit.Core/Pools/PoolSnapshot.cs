using System.Collections.Immutable;

namespace ProxyKit;

/// <summary>A pool at one moment. Replaced whole, never edited, so that a reader sees no half-made change.</summary>
public sealed class PoolSnapshot
{
    private readonly TaskCompletionSource _replaced = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>A snapshot outside any pool, as tests of policies need it.</summary>
    /// <param name="members">Every member.</param>
    /// <param name="available">Those that may get traffic; all of them where null.</param>
    /// <param name="settings">How the pool is set up; nothing set where null.</param>
    public PoolSnapshot(IEnumerable<Member> members, IEnumerable<Member>? available = null, PoolSettings? settings = null)
    {
        Members = [.. members];
        Available = available is null ? Members : [.. available];
        Settings = settings ?? PoolSettings.Default;
        Picker = Settings.Policy.Prepare(this) ?? throw new InvalidOperationException($"{Settings.Policy.GetType().Name}.{nameof(IBalancingPolicy.Prepare)} returned null; it must return a picker, one that picks nothing if need be.");
    }

    private PoolSnapshot(PoolSnapshot whole, Func<Member, bool> belongs)
    {
        Members = [.. whole.Members.Where(belongs)];
        Available = [.. whole.Available.Where(belongs)];
        Settings = whole.Settings;
        Picker = whole.Picker; // never asked: a part serves to prepare the policy inside another
    }

    /// <summary>Every destination's member: active, draining and off.</summary>
    public ImmutableArray<Member> Members { get; }

    /// <summary>Those that may get new traffic: active, of a weight above 0, and believed healthy; where too few are, what <see cref="PanicOptions"/> say.</summary>
    public ImmutableArray<Member> Available { get; }

    /// <summary>How the pool is set up.</summary>
    public PoolSettings Settings { get; }

    /// <summary>Whether some tier has so few healthy members that <see cref="PanicOptions"/> decide.</summary>
    public bool IsInPanic { get; internal init; }

    /// <summary>The share of new requests that the pool takes, 0 to 1: less than 1 while its circuit breaker is open or closes again.</summary>
    public double Admission { get; internal init; } = 1;

    /// <summary>Done once the pool has a newer snapshot, and then what waits goes on elsewhere than in the change.</summary>
    public Task Replaced => _replaced.Task;

    /// <summary>The policy, prepared for this snapshot.</summary>
    public IPicker Picker { get; }

    /// <summary>The part of it whose members belong together, for a policy that prepares another for each tier, zone or subset.</summary>
    public PoolSnapshot Where(Func<Member, bool> belongs) => new(this, belongs);

    internal void MarkReplaced() => _replaced.TrySetResult();

    /// <summary>The member of that name; null where there is none.</summary>
    public Member? Find(string name)
    {
        foreach (var member in Members)
        {
            if (member.Destination.Name == name)
            {
                return member;
            }
        }

        return null;
    }

    /// <summary>The member of that <see cref="Member.Hash"/>; null where there is none.</summary>
    public Member? Find(ulong hash)
    {
        foreach (var member in Members)
        {
            if (member.Hash == hash)
            {
                return member;
            }
        }

        return null;
    }
}
