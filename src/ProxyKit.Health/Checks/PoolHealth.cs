using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace ProxyKit.Health;

/// <summary>Judges one pool as it stands.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Status">Unhealthy where it has nobody to send to, degraded where it is not as it should be.</param>
/// <param name="Faults">Why, a sentence each.</param>
/// <param name="Counts">Destinations by their standing.</param>
internal sealed record PoolHealth(string Name, HealthStatus Status, IReadOnlyList<string> Faults, IReadOnlyDictionary<string, int> Counts)
{
    private static readonly MemberStanding[] Standings = Enum.GetValues<MemberStanding>();

    public static PoolHealth Of(Pool pool)
    {
        var snapshot = pool.Snapshot;
        var members = snapshot.Members;
        var counts = Standings.ToDictionary(standing => standing.ToString().ToLowerInvariant(), standing => members.Count(member => member.Standing == standing), StringComparer.Ordinal);
        var down = members.Where(member => member.Standing is MemberStanding.Down or MemberStanding.Trial).ToList();
        var (worst, faults) = (HealthStatus.Healthy, new List<string>());
        void Add(HealthStatus status, string fault)
        {
            worst = status < worst ? status : worst;
            faults.Add(fault);
        }

        if (!pool.Ready.IsCompleted)
        {
            Add(HealthStatus.Unhealthy, $"Pool {pool.Name} is not ready: its destinations are not known, or not judged yet.");
        }

        if (!members.Any(member => member.Standing is MemberStanding.Active or MemberStanding.Degraded or MemberStanding.Trial && member.Destination.Weight > 0))
        {
            Add(HealthStatus.Unhealthy, members.IsEmpty ? $"Pool {pool.Name} has no destinations." : $"Pool {pool.Name} has no destination that can serve.");
        }

        if (down.Count > 0)
        {
            Add(HealthStatus.Degraded, $"Pool {pool.Name}: {string.Join(", ", down.Select(Told))}.");
        }

        if (snapshot.IsInPanic)
        {
            Add(HealthStatus.Degraded, $"Pool {pool.Name} has too few healthy destinations.");
        }

        if (snapshot.Admission < 1)
        {
            Add(HealthStatus.Degraded, snapshot.Admission == 0 ? $"The circuit breaker of pool {pool.Name} is open." : $"The circuit breaker of pool {pool.Name} lets {snapshot.Admission:P0} of the requests through.");
        }

        return new PoolHealth(pool.Name, worst, faults, counts);
    }

    private static string Told(Member member)
    {
        var worst = member.Beliefs.MaxBy(belief => belief.Availability)!;
        var standing = member.Standing == MemberStanding.Trial ? "on trial" : "down";
        return $"{member.Destination.Name} is {standing} ({worst.Source}{(worst.Reason is { } reason ? $": {reason}" : "")})";
    }
}
