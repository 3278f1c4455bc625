using System.Collections.Immutable;

namespace ProxyKit;

/// <summary>Where requests may be sent: one server of a pool, as composed or discovered. It never changes; what is live about it is its <see cref="Member"/>.</summary>
/// <param name="Name">What configuration, logs, metrics and sticky cookies call it; unique in its pool.</param>
/// <param name="Address">Scheme, host and port, and a base path if there is one; for L4, only host and port count.</param>
public sealed record Destination(string Name, Uri Address) : IValidatable
{
    /// <summary>The greatest weight.</summary>
    public const int MaxWeight = 256;

    /// <summary>Its share of new traffic against the others, 0 to 256; at 0 it serves only the sessions that stick to it. The default is 1.</summary>
    public int Weight { get; init; } = 1;

    /// <summary>Its tier, 0 the first; a later tier is asked when the ones before it have not enough healthy members. The default is 0.</summary>
    public int Priority { get; init; }

    /// <summary>The failure domain that it stands in; null where zones do not matter.</summary>
    public string? Zone { get; init; }

    /// <summary>What the <c>Host</c> field and TLS server name say to it; null lets the forwarder decide.</summary>
    public string? Host { get; init; }

    /// <summary>Whether it is out of use: known, but given no traffic. The default is false.</summary>
    public bool Disabled { get; init; }

    /// <summary>Free labels (version, rack) by which subsets are chosen.</summary>
    public ImmutableSortedDictionary<string, string> Labels { get; init; } = ImmutableSortedDictionary<string, string>.Empty;

    /// <summary>A destination named by its authority, such as <c>10.0.0.1:8080</c>.</summary>
    /// <exception cref="ArgumentException">The address is no absolute URI with a host.</exception>
    public static Destination Parse(string address)
    {
        ArgumentNullException.ThrowIfNull(address);
        return Uri.TryCreate(address, UriKind.Absolute, out var uri) && uri.Host.Length > 0
            ? new Destination(uri.Authority, uri)
            : throw new ArgumentException($"'{address}' is no address of a destination; write scheme, host and port, such as 'http://10.0.0.1:8080'.", nameof(address));
    }

    /// <inheritdoc/>
    public bool Equals(Destination? other) =>
        ReferenceEquals(this, other)
        || (other is not null && Name == other.Name && Address == other.Address && Weight == other.Weight && Priority == other.Priority
            && Zone == other.Zone && Host == other.Host && Disabled == other.Disabled && Labels.SequenceEqual(other.Labels));

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Name, Address, Weight, Priority, Zone);

    /// <inheritdoc/>
    public IEnumerable<string> Faults()
    {
        if (string.IsNullOrWhiteSpace(Name))
        {
            yield return $"{nameof(Name)} is empty; each destination needs a name.";
        }

        if (Address is not { IsAbsoluteUri: true, Host.Length: > 0 })
        {
            yield return $"{nameof(Address)} of '{Name}' is '{Address}'; write scheme, host and port, such as 'http://10.0.0.1:8080'.";
        }
        else if (Address.Query.Length > 0 || Address.Fragment.Length > 0 || Address.UserInfo.Length > 0)
        {
            yield return $"{nameof(Address)} of '{Name}' has user, query or fragment; only scheme, host, port and path may stand there.";
        }

        if (Weight is < 0 or > MaxWeight)
        {
            yield return $"{nameof(Weight)} of '{Name}' is {Weight}; it must be 0 to {MaxWeight}.";
        }

        if (Priority is < 0 or > 63)
        {
            yield return $"{nameof(Priority)} of '{Name}' is {Priority}; it must be 0 to 63.";
        }
    }
}
