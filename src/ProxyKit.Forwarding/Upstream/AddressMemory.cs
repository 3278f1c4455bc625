using System.Runtime.CompilerServices;

namespace ProxyKit.Forwarding;

/// <summary>Remembers the addresses of recent targets: parsing one costs more than all else that is done to a request's head.</summary>
/// <remarks>A fixed table in which a newcomer takes the place of whoever was there: bounded, no lock, and a race costs a parse.</remarks>
internal sealed class AddressMemory
{
    private const int Places = 512; // a power of two
    private const int Longest = 256; // characters; longer targets are rarely asked for twice

    private readonly Entry?[] _entries = new Entry?[Places];

    /// <summary>The absolute address of <paramref name="target"/> at a destination, taken byte for byte.</summary>
    public Uri Of(Destination destination, string target)
    {
        if (target.Length > Longest)
        {
            return RequestMessage.Address(destination, target);
        }

        ref var place = ref _entries[(target.GetHashCode(StringComparison.Ordinal) ^ RuntimeHelpers.GetHashCode(destination.Address)) & (Places - 1)];
        var entry = Volatile.Read(ref place);
        if (entry is not null && ReferenceEquals(entry.Address, destination.Address) && entry.Target == target)
        {
            return entry.Uri;
        }

        entry = new Entry(destination.Address, target, RequestMessage.Address(destination, target));
        Volatile.Write(ref place, entry);
        return entry.Uri;
    }

    private sealed record Entry(Uri Address, string Target, Uri Uri);
}
