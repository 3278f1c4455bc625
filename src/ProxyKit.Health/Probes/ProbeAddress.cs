using System.Net;

namespace ProxyKit.Health;

/// <summary>Where and under which name a probe finds a destination.</summary>
internal static class ProbeAddress
{
    /// <summary>The address with another path, and another scheme and port where those are set.</summary>
    public static Uri Of(Destination destination, string path, string? scheme, int port)
    {
        var address = destination.Address;
        var own = address.IsDefaultPort ? "" : $":{address.Port}";
        var root = address.AbsolutePath;
        return new Uri($"{scheme ?? address.Scheme}://{address.Host}{(port > 0 ? $":{port}" : own)}{(root.EndsWith('/') ? root[..^1] : root)}{path}");
    }

    /// <summary>The end point of a connection; null where no port is known.</summary>
    public static EndPoint? EndPointOf(Destination destination, int port)
    {
        var (host, used) = (destination.Address.IdnHost, port > 0 ? port : destination.Address.Port);
        return used <= 0 ? null
            : IPAddress.TryParse(host, out var ip) ? new IPEndPoint(ip, used)
            : new DnsEndPoint(host, used);
    }

    /// <summary>The name that its certificate should bear.</summary>
    public static string NameOf(Destination destination)
    {
        // Of Host only the name counts; a port may follow, and an IPv6 address stands in brackets.
        if (destination.Host is not { } host)
        {
            return destination.Address.IdnHost;
        }

        var colon = host.LastIndexOf(':');
        var name = colon > host.LastIndexOf(']') ? host[..colon] : host;
        return name.Trim('[', ']');
    }

    public static IEnumerable<string> Faults(int port, string? scheme = null)
    {
        if (port is < 0 or > 65535)
        {
            yield return $"Port is {port}; it must be 0 (the destination's own) to 65535.";
        }

        if (scheme is not (null or "http" or "https"))
        {
            yield return $"Scheme is '{scheme}'; it must be 'http' or 'https', or be left out for the destination's own.";
        }
    }
}
