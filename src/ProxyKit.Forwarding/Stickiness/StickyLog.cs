using Microsoft.Extensions.Logging;

namespace ProxyKit.Forwarding;

internal static partial class StickyLog
{
    [LoggerMessage(101, LogLevel.Warning, "{Share:P0} of the requests of pool {Pool} come from one client address, of {Members} members; behind it stand many users. Use a policy that bounds loads, or a cookie.", EventName = "OneAddressDominates")]
    public static partial void OneAddress(ILogger logger, double share, string pool, int members);

    [LoggerMessage(102, LogLevel.Warning, "The key ring could not be read for pool {Pool}; sessions go on with the keys of before, and it is read again in {Delay}.", EventName = "KeyRingUnread")]
    public static partial void RingUnread(ILogger logger, Exception fault, string pool, TimeSpan delay);

    [LoggerMessage(103, LogLevel.Warning, "Key {Key} of the ring cannot be read here; sessions of pool {Pool} that it signed begin anew.", EventName = "KeyUnread")]
    public static partial void KeyUnread(ILogger logger, Exception fault, Guid key, string pool);
}
