namespace ProxyKit.Forwarding;

/// <summary>Who stands in front of the gateway. One setting for the whole host: hash keys, sticky cookies, forwarded fields and logs read the same.</summary>
public sealed record ForwardingOptions : IValidatable, ICopyable<ForwardingOptions>
{
    /// <summary>
    /// Networks whose word on the client is believed, as CIDR (<c>10.0.0.0/8</c>, <c>fd00::/8</c>), as one address, or as <c>unix</c> for
    /// peers on a Unix domain socket. Every proxy in them must itself set the fields that <see cref="TrustedField"/> names, or remove
    /// what clients send in their place. The default is none: nobody is believed.
    /// </summary>
    public IList<string> TrustedNetworks { get; set; } = [];

    /// <summary>
    /// The family of fields that trusted proxies write. The other one is never read, because a proxy that writes one lets the
    /// client's own words in the other pass. The default is <see cref="ForwardedFamily.XForwarded"/>.
    /// </summary>
    public ForwardedFamily TrustedField { get; set; }

    /// <inheritdoc/>
    public ForwardingOptions Copy() => this with { TrustedNetworks = [.. TrustedNetworks] };

    /// <inheritdoc/>
    public IEnumerable<string> Faults()
    {
        foreach (var network in TrustedNetworks)
        {
            if (Forwarding.TrustedNetworks.Fault(network) is { } fault)
            {
                yield return $"{nameof(TrustedNetworks)} holds '{network}'; {fault}";
            }
        }

        if (!Enum.IsDefined(TrustedField))
        {
            yield return $"{nameof(TrustedField)} is {TrustedField}; it must be one of {string.Join(", ", Enum.GetNames<ForwardedFamily>())}.";
        }
    }
}

/// <summary>The two ways to say for whom a request is forwarded.</summary>
public enum ForwardedFamily
{
    /// <summary><c>X-Forwarded-For</c>, <c>-Host</c>, <c>-Proto</c> and <c>-Prefix</c>.</summary>
    XForwarded,

    /// <summary><c>Forwarded</c> (RFC 7239).</summary>
    Forwarded,
}
