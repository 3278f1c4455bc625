namespace ProxyKit.Balancing;

/// <summary>Numbers in the unit interval from 64 bits.</summary>
internal static class Chance
{
    /// <summary>The upper 53 bits as a number from 0 up to, never at, 1.</summary>
    public static double Unit(ulong bits) => (long)(bits >> 11) * (1.0 / (1L << 53));
}
