using System.Buffers;

namespace ProxyKit.Forwarding;

/// <summary>What a pool's destinations are told of the client.</summary>
/// <remarks>
/// What came in is believed only from <see cref="ForwardingOptions.TrustedNetworks"/>; from anyone else every <c>X-Forwarded-*</c>,
/// <c>X-Real-IP</c> and <c>Forwarded</c> field is dropped, so that a client cannot speak in a proxy's name.
/// </remarks>
public sealed record ForwardedOptions : IValidatable, ICopyable<ForwardedOptions>
{
    private static readonly SearchValues<char> IdentifierCharacters = SearchValues.Create("-._0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz");

    /// <summary><c>X-Forwarded-For</c>: the client's address. The default is <see cref="ForwardedAction.Set"/>.</summary>
    public ForwardedAction For { get; set; } = ForwardedAction.Set;

    /// <summary><c>X-Forwarded-Host</c>: the <c>Host</c> that the client asked for. The default is <see cref="ForwardedAction.Set"/>.</summary>
    public ForwardedAction Host { get; set; } = ForwardedAction.Set;

    /// <summary><c>X-Forwarded-Proto</c>: the scheme that the client used. The default is <see cref="ForwardedAction.Set"/>.</summary>
    public ForwardedAction Proto { get; set; } = ForwardedAction.Set;

    /// <summary><c>X-Forwarded-Prefix</c>: the gateway's own path base. The default is <see cref="ForwardedAction.Remove"/>, because most hosts have none.</summary>
    public ForwardedAction Prefix { get; set; } = ForwardedAction.Remove;

    /// <summary>
    /// <c>Forwarded</c> (RFC 7239). The default is <see cref="ForwardedAction.Set"/>: it is the standard's own field, one made text for each
    /// client and host serves all of their requests, and a destination that reads either family is told the same.
    /// </summary>
    public ForwardedAction Forwarded { get; set; } = ForwardedAction.Set;

    /// <summary>What <c>by=</c> of <c>Forwarded</c> says of this gateway: an address or an identifier that begins with <c>_</c> (RFC 7239 §6.3). The default is null: nothing.</summary>
    public string? By { get; set; }

    /// <summary>
    /// Whether <c>for=</c> of <c>Forwarded</c> says an identifier in place of the address, the same for one client for as long as the process
    /// runs (RFC 7239 §6.3). <see cref="For"/> still tells the address unless removed. The default is false.
    /// </summary>
    public bool Obfuscate { get; set; }

    /// <inheritdoc/>
    public ForwardedOptions Copy() => this with { };

    /// <inheritdoc/>
    public IEnumerable<string> Faults()
    {
        foreach (var (name, action) in ((string, ForwardedAction)[])[(nameof(For), For), (nameof(Host), Host), (nameof(Proto), Proto), (nameof(Prefix), Prefix), (nameof(Forwarded), Forwarded)])
        {
            if (!Enum.IsDefined(action))
            {
                yield return $"{name} is {action}; it must be one of {string.Join(", ", Enum.GetNames<ForwardedAction>())}.";
            }
        }

        if (By is not null && !IsIdentifier(By) && !IsNode(By))
        {
            yield return $"{nameof(By)} is '{By}'; write an address such as '192.0.2.1' or '[2001:db8::1]:443', or an identifier such as '_gateway'.";
        }
    }

    private static bool IsIdentifier(string by) => by is ['_', _, ..] && !by.AsSpan().ContainsAnyExcept(IdentifierCharacters);

    // RFC 7239 §6 has IPv6 in brackets, with a port or without.
    private static bool IsNode(string by) => NodeText.Parse(by) is not null && (by[0] == '[' || by.AsSpan().Count(':') <= 1);
}

/// <summary>What is done with one forwarding field.</summary>
public enum ForwardedAction
{
    /// <summary>It says one thing: what the gateway knows of the client, its trusted proxies believed.</summary>
    Set,

    /// <summary>What the gateway sees of its peer is added to what a trusted peer said; from others nothing is kept.</summary>
    Append,

    /// <summary>It is not sent.</summary>
    Remove,

    /// <summary>It passes as it came, from anyone, trusted or not: only for a gateway that none but a proxy of one's own can reach.</summary>
    Off,
}
