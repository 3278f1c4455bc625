namespace ProxyKit;

/// <summary>Reads and switches the pools of a directory.</summary>
internal sealed class PoolControl(PoolDirectory pools) : IPoolControl
{
    public IReadOnlyList<PoolStatus> Pools => [.. pools.Pools.Select(StatusOf)];

    public PoolStatus Find(string pool) => StatusOf(pools.Find(pool));

    public bool SetState(string pool, string destination, MemberState state, string? reason = null)
    {
        var found = pools.Find(pool);
        if (found.Snapshot.Find(destination) is null)
        {
            throw new KeyNotFoundException($"Pool '{pool}' has no destination '{destination}'. There are: {string.Join(", ", found.Snapshot.Members.Select(member => $"'{member.Destination.Name}'").Order())}.");
        }

        return found.SetState(destination, state, reason);
    }

    public Task<int> DrainAsync(string pool, string destination, TimeSpan? deadline = null, string? reason = null, CancellationToken cancellationToken = default)
    {
        var found = pools.Find(pool);
        return found.DrainAsync(destination, deadline ?? (found.Snapshot.Settings.Get<DrainOptions>() ?? new DrainOptions()).Timeout, reason, cancellationToken);
    }

    private static PoolStatus StatusOf(Pool pool)
    {
        var snapshot = pool.Snapshot;
        return new PoolStatus(
            pool.Name, snapshot.Settings.Policy.GetType().Name, pool.Ready.IsCompleted, snapshot.IsInPanic, snapshot.Admission, pool.Waiting, [.. snapshot.Members.Select(StatusOf)]);
    }

    private static DestinationStatus StatusOf(Member member)
    {
        // A state that somebody chose says more than what is believed meanwhile.
        var worst = member.State == MemberState.Active ? member.Beliefs.MaxBy(belief => belief.Availability) : null;
        return new DestinationStatus(
            member.Destination.Name,
            member.Destination.Address,
            member.Standing,
            member.State,
            worst is null ? member.StateReason : worst.Reason ?? worst.Source,
            worst?.Since ?? member.StateSince,
            member.Beliefs,
            member.Weight,
            member.InFlight,
            member.Load,
            member.Latency is { } latency ? TimeSpan.FromSeconds(latency.Seconds) : null);
    }
}
