using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace ProxyKit.Forwarding;

/// <summary>Sessions by client address: the pool's hashing policy keeps them together, and this watches whether one address has too many.</summary>
internal sealed class ClientIpStickiness(StickyClientIp options, HashKey key, string pool, TopKeys topKeys, TimeProvider time, ILogger logger) : Stickiness
{
    private const int Looks = 1024; // requests between two looks at the share, a power of two
    private static readonly TimeSpan Silence = TimeSpan.FromMinutes(10);

    private int _requests;
    private long _warned; // a timestamp; 0 before the first warning

    public override DeadMember OnDeadMember => options.OnDeadMember;

    public override TimeSpan MaxWait => options.MaxWait;

    public override StickySession Find(HttpContext context, PoolSnapshot snapshot)
    {
        if (key.Of(context) is { } hash)
        {
            topKeys.Observe(hash);
            if ((Interlocked.Increment(ref _requests) & (Looks - 1)) == 0)
            {
                Look(snapshot.Available.Length);
            }
        }

        return default; // the policy knows where to send it
    }

    public override void Commit(HttpContext context, in StickySession session, Member answered, HttpResponseMessage response)
    {
    }

    private void Look(int members)
    {
        var share = topKeys.TopShare;
        var warned = Volatile.Read(ref _warned);
        if (!IsTooMuch(share, members) || (warned != 0 && time.GetElapsedTime(warned) < Silence))
        {
            return;
        }

        if (Interlocked.CompareExchange(ref _warned, time.GetTimestamp(), warned) == warned)
        {
            StickyLog.OneAddress(logger, share, pool, members);
        }
    }

    // With one or two members twice a fair share is all there is.
    private static bool IsTooMuch(double share, int members) => members > 2 && share > 2.0 / members;
}
