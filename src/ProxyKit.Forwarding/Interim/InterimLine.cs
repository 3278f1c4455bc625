namespace ProxyKit.Forwarding;

/// <summary>Ties one attempt to the connection that carries its request, and is cut at the final head.</summary>
/// <remarks>It outlives its exchange where a connection remembers the context it was last used in; then it leads nowhere and holds nothing.</remarks>
internal sealed class InterimLine(InterimRelay relay)
{
    private InterimRelay? _relay = relay;
    private InterimTap? _tap;

    /// <summary>Whether it is cut.</summary>
    public bool IsSealed => Volatile.Read(ref _relay) is null;

    /// <summary>
    /// Makes a connection the one that is heard. Where the handler sends the request again because the connection was stale, the later one is;
    /// false once it is cut, for what is written then is the rest of a body.
    /// </summary>
    public bool TryClaim(InterimTap tap)
    {
        if (IsSealed)
        {
            return false;
        }

        Volatile.Write(ref _tap, tap);
        return true;
    }

    /// <summary>Takes an interim head from that connection; false where no more are taken from it.</summary>
    public bool Take(InterimTap tap, ReadOnlySpan<byte> head) => Volatile.Read(ref _tap) == tap && Volatile.Read(ref _relay) is { } relay && relay.Take(head);

    /// <summary>Cuts it, for good.</summary>
    public void Seal() => (_relay, _tap) = (null, null);
}
