using System.Net;
using System.Net.Sockets;

namespace ProxyKit.Forwarding;

/// <summary>Networks whose proxies are believed. Made once; asking it allocates nothing.</summary>
public sealed class TrustedNetworks
{
    private const string UnixSockets = "unix";

    /// <summary>Nobody is trusted.</summary>
    public static readonly TrustedNetworks None = new([]);

    private readonly IPNetwork[] _networks;
    private readonly bool _unixSockets;

    /// <summary>Trusts <paramref name="networks"/>; how they are written is told at <see cref="ForwardingOptions.TrustedNetworks"/>.</summary>
    /// <exception cref="ArgumentException">One of them is no network.</exception>
    public TrustedNetworks(IEnumerable<string> networks)
    {
        ArgumentNullException.ThrowIfNull(networks);
        var parsed = new List<IPNetwork>();
        foreach (var network in networks)
        {
            if (string.Equals(network, UnixSockets, StringComparison.OrdinalIgnoreCase))
            {
                _unixSockets = true;
            }
            else
            {
                var range = TryParse(network) ?? throw new ArgumentException($"'{network}': {Fault(network)}", nameof(networks));
                parsed.Add(range);
                if (range.BaseAddress.AddressFamily == AddressFamily.InterNetwork)
                {
                    // A socket that listens for both families tells IPv4 peers as ::ffff:a.b.c.d; unwrapping each would allocate.
                    parsed.Add(new IPNetwork(range.BaseAddress.MapToIPv6(), range.PrefixLength + 96));
                }
            }
        }

        _networks = [.. parsed];
    }

    /// <summary>Whether nobody is trusted.</summary>
    public bool IsEmpty => _networks.Length == 0 && !_unixSockets;

    /// <summary>Whether a peer of that address is trusted; null is a peer without one, on a Unix domain socket.</summary>
    public bool Contains(IPAddress? address)
    {
        if (address is null)
        {
            return _unixSockets;
        }

        foreach (var network in _networks)
        {
            if (network.Contains(address))
            {
                return true;
            }
        }

        return false;
    }

    internal static string? Fault(string? network) =>
        string.Equals(network, UnixSockets, StringComparison.OrdinalIgnoreCase) || TryParse(network) is not null
            ? null
            : "write a network such as '10.0.0.0/8' or 'fd00::/8' whose bits after the prefix are zero, an address, or 'unix'.";

    private static IPNetwork? TryParse(string? network)
    {
        if (network is not null && IPNetwork.TryParse(network, out var parsed))
        {
            // 10.0.0.1/8 is a slip of the pen: one address was meant, or all of them.
            return IPAddress.TryParse(network.AsSpan(0, network.IndexOf('/', StringComparison.Ordinal)), out var written) && written.Equals(parsed.BaseAddress) ? parsed : null;
        }

        return IPAddress.TryParse(network, out var address) && NodeText.IsPlain(network)
            ? new IPNetwork(address, address.GetAddressBytes().Length * 8)
            : null;
    }
}
