using System.Globalization;

namespace ProxyKit.Health;

/// <summary>Statuses of HTTP as they are written: numbers and ranges, such as <c>200-299,304</c>.</summary>
internal static class StatusSet
{
    /// <summary>Whether a status is one of them.</summary>
    public static bool Contains(string text, int status)
    {
        foreach (var part in text.AsSpan().Split(','))
        {
            if (TryParse(text.AsSpan(part), out var least, out var most) && least <= status && status <= most)
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>Whether it can be read.</summary>
    public static bool IsValid(string text)
    {
        foreach (var part in text.AsSpan().Split(','))
        {
            if (!TryParse(text.AsSpan(part), out _, out _))
            {
                return false;
            }
        }

        return true;
    }

    private static bool TryParse(ReadOnlySpan<char> part, out int least, out int most)
    {
        var dash = part.IndexOf('-');
        most = 0;
        return TryParse(dash < 0 ? part : part[..dash], out least) && TryParse(dash < 0 ? part : part[(dash + 1)..], out most) && least <= most;
    }

    // Those below 200 are never the answer.
    private static bool TryParse(ReadOnlySpan<char> text, out int status) =>
        int.TryParse(text.Trim(), NumberStyles.None, CultureInfo.InvariantCulture, out status) && status is >= 200 and <= 599;
}
