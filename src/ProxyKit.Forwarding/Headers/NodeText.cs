using System.Buffers;
using System.Net;
using System.Net.Sockets;

namespace ProxyKit.Forwarding;

/// <summary>Reads the addresses that proxies write.</summary>
internal static class NodeText
{
    private static readonly SearchValues<char> AddressCharacters = SearchValues.Create(".0123456789:ABCDEFabcdef");

    /// <summary>
    /// The address in <c>192.0.2.1</c>, <c>192.0.2.1:80</c>, <c>2001:db8::1</c>, <c>[2001:db8::1]</c> or <c>[2001:db8::1]:80</c>; null where it is
    /// anything else: a name, <c>unknown</c>, an obfuscated identifier (RFC 7239 §6.3), garbage.
    /// </summary>
    public static IPAddress? Parse(ReadOnlySpan<char> node)
    {
        node = node.Trim(" \t");
        var host = node;
        if (node is ['[', ..])
        {
            var close = node.IndexOf(']');
            if (close < 0 || !IsPort(node[(close + 1)..]))
            {
                return null;
            }

            return Address(node[1..close], AddressFamily.InterNetworkV6);
        }

        var colon = node.IndexOf(':');
        if (colon >= 0 && colon == node.LastIndexOf(':'))
        {
            if (!IsPort(node[colon..]))
            {
                return null;
            }

            host = node[..colon];
        }

        return Address(host, host.Contains(':') ? AddressFamily.InterNetworkV6 : AddressFamily.InterNetwork);
    }

    /// <summary>Whether an address is written in its own notation, with four numbers or with colons: <c>IPAddress</c> reads <c>1</c> as 0.0.0.1 as well.</summary>
    public static bool IsPlain(ReadOnlySpan<char> address) => address.Contains(':') ? !address.ContainsAny("[]%") : address.Count('.') == 3;

    /// <summary>An address without the IPv6 coat that IPv4 wears on a socket for both families.</summary>
    public static IPAddress Folded(IPAddress address) => address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address;

    private static IPAddress? Address(ReadOnlySpan<char> text, AddressFamily family) =>
        IsPlain(text) && !text.ContainsAnyExcept(AddressCharacters) && IPAddress.TryParse(text, out var address) && address.AddressFamily == family
            ? Folded(address)
            : null;

    // RFC 7239 §6.2 allows an obfuscated port too; who writes one is no proxy we know.
    private static bool IsPort(ReadOnlySpan<char> text) =>
        text.IsEmpty || (text is [':', ..] && text.Length is > 1 and <= 6 && !text[1..].ContainsAnyExceptInRange('0', '9'));
}
