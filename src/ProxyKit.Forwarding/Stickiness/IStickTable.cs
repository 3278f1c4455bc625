namespace ProxyKit.Forwarding;

/// <summary>Remembers which member an application's session belongs to. One that shares what it learns over several gateways may stand in for the one in memory.</summary>
/// <remarks>Both methods are called on the path of requests, from many threads at once: they must not block. What is shared is best kept in a local copy.</remarks>
public interface IStickTable
{
    /// <summary>The member of a session, if there is one; finding it counts as its use.</summary>
    /// <param name="session">A hash of the session's cookie: the secret itself is not handed on.</param>
    /// <param name="member">The member's <see cref="Member.Hash"/>.</param>
    bool TryFind(UInt128 session, out ulong member);

    /// <summary>Keeps the member of a session, in place of any it had.</summary>
    void Learn(UInt128 session, ulong member);
}
