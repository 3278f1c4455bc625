namespace ProxyKit;

/// <summary>A way to choose which member serves a request. Prepared once for each snapshot; then it only picks.</summary>
public interface IBalancingPolicy
{
    /// <summary>
    /// Builds what picking from <see cref="PoolSnapshot.Available"/> needs: rings, tables, orders. Called when the snapshot
    /// is made, never on the path of a request. There may be none available. It throws only where a pool must not take up these
    /// settings: the update is then refused.
    /// </summary>
    IPicker Prepare(PoolSnapshot snapshot);
}

/// <summary>Picks from one snapshot. It keeps no state of its own: equal arguments and equal loads give equal answers.</summary>
public interface IPicker
{
    /// <summary>A member for which <see cref="PickRequest.Allows"/> holds; null where there is none. It must not allocate.</summary>
    Member? Pick(in PickRequest request);

    /// <summary>Says in a few words why <see cref="Pick"/> chose <paramref name="picked"/> for that request; for people, not on the path of a request.</summary>
    string Explain(in PickRequest request, Member picked) => "";
}

/// <summary>All that a policy may know of the request it places.</summary>
/// <param name="ticket">The pool's count of picks, so that taking turns needs no counter of its own.</param>
/// <param name="random">64 random bits, drawn for this pick.</param>
/// <param name="key">Hash of what belongs together (a user, a path); null where nothing does.</param>
/// <param name="tried">Members that this request has been sent to before.</param>
public readonly ref struct PickRequest(ulong ticket, ulong random, ulong? key = null, ReadOnlySpan<Member> tried = default)
{
    /// <summary>The pool's count of picks.</summary>
    public ulong Ticket { get; } = ticket;

    /// <summary>64 random bits.</summary>
    public ulong Random { get; } = random;

    /// <summary>Hash of what belongs together; null where nothing does.</summary>
    public ulong? Key { get; } = key;

    /// <summary>Members that this request has been sent to before.</summary>
    public ReadOnlySpan<Member> Tried { get; } = tried;

    /// <summary>Whether the member may be picked: it was not tried before and has a seat free.</summary>
    public bool Allows(Member member)
    {
        foreach (var tried in Tried)
        {
            if (tried.IsSame(member))
            {
                return false;
            }
        }

        return member.HasRoom;
    }
}
