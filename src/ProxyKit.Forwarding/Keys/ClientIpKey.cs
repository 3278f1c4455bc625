using System.Net;
using System.Net.Sockets;

using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace ProxyKit.Forwarding;

/// <summary>
/// Keeps a client's address together, as it is after the proxies that the host trusts (<see cref="ForwardingOptions.TrustedNetworks"/>).
/// </summary>
/// <remarks>
/// Behind one address there may be thousands of users (carriers, offices), who then all share a member: use it with a policy that bounds
/// loads (<c>BoundedLoad</c>), and prefer a cookie where clients keep them.
/// </remarks>
/// <param name="V4Bits">The bits of an IPv4 address that count, 1 to 32. The default is 32.</param>
/// <param name="V6Bits">The bits of an IPv6 address that count, 1 to 128. The default is 64, because a household holds at least as many addresses and changes them daily.</param>
public sealed record ClientIpKey(int V4Bits = 32, int V6Bits = 64) : HashKey, IValidatable
{
    private ClientFinder? _finder;

    /// <inheritdoc/>
    public override ulong? Of(HttpContext context)
    {
        ArgumentNullException.ThrowIfNull(context);

        // Pools make their keys ready; one that stands elsewhere asks the host, which costs a look into its services.
        return Of((_finder ?? context.RequestServices?.GetService<ClientFinder>() ?? ClientFinder.TrustingNobody).Find(context));
    }

    /// <inheritdoc/>
    public IEnumerable<string> Faults()
    {
        if (V4Bits is < 1 or > 32)
        {
            yield return $"{nameof(V4Bits)} is {V4Bits}; it must be 1 to 32.";
        }

        if (V6Bits is < 1 or > 128)
        {
            yield return $"{nameof(V6Bits)} is {V6Bits}; it must be 1 to 128.";
        }
    }

    /// <inheritdoc/>
    public bool Equals(ClientIpKey? other) => other is not null && (V4Bits, V6Bits) == (other.V4Bits, other.V6Bits);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(V4Bits, V6Bits);

    /// <summary>The key of an address: of the bits that count, IPv4 alike in its own form and in IPv6's.</summary>
    internal ulong? Of(IPAddress? address)
    {
        Span<byte> bytes = stackalloc byte[16];
        if (address is null || !address.TryWriteBytes(bytes, out var length))
        {
            return null;
        }

        bytes = address.IsIPv4MappedToIPv6 ? bytes[12..] : bytes[..length];
        var isV4 = address.AddressFamily == AddressFamily.InterNetwork || address.IsIPv4MappedToIPv6;
        Mask(bytes, isV4 ? V4Bits : V6Bits);
        return KeyHash.Of(bytes);
    }

    internal override HashKey For(ForwardingOptions host) => this with { _finder = new ClientFinder(host) };

    private static void Mask(Span<byte> address, int bits)
    {
        for (var i = 0; i < address.Length; i++)
        {
            var counts = Math.Clamp(bits - (i * 8), 0, 8);
            address[i] &= (byte)(0xFF << (8 - counts));
        }
    }
}
