using System.Net;

namespace ProxyKit.Balancing;

/// <summary>How a name in DNS becomes destinations.</summary>
public sealed record DnsOptions : IValidatable
{
    /// <summary>The name to look up: a host for <c>Dns</c>, a service such as <c>_http._tcp.orders.svc</c> for <c>DnsSrv</c>. It must be set.</summary>
    public string Host { get; set; } = "";

    /// <summary>The port of every destination; 0, the default, is the scheme's own. SRV records bring theirs, so there it must stay 0.</summary>
    public int Port { get; set; }

    /// <summary>The scheme of every destination. The default is <c>http</c>. With <c>https</c>, addresses are asked by the name looked up, as certificates need it.</summary>
    public string Scheme { get; set; } = "http";

    /// <summary>The least time between looking up and looking up again, whatever the records' TTL; also the first pause after a failure. The default is 1 s.</summary>
    public TimeSpan MinTtl { get; set; } = TimeSpan.FromSeconds(1);

    /// <summary>The most time between looking up and looking up again. The default is 60 s.</summary>
    public TimeSpan MaxTtl { get; set; } = TimeSpan.FromSeconds(60);

    /// <summary>How long a server may take to answer before the lookup counts as failed. The default is 5 s.</summary>
    public TimeSpan Timeout { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>A DNS server such as <c>10.0.0.53</c> or <c>10.0.0.53:5353</c>; the system's where null, the default.</summary>
    public string? Server { get; set; }

    /// <inheritdoc/>
    public IEnumerable<string> Faults()
    {
        if (!IsName(Host))
        {
            yield return $"{nameof(Host)} is '{Host}'; it must be a name in DNS, such as 'orders.svc'.";
        }

        if (Port is < 0 or > 65535)
        {
            yield return $"{nameof(Port)} is {Port}; it must be 0 (the scheme's own) to 65535.";
        }

        if (!Uri.CheckSchemeName(Scheme))
        {
            yield return $"{nameof(Scheme)} is '{Scheme}'; it must be a scheme, such as 'http' or 'https'.";
        }

        if (MinTtl < TimeSpan.FromSeconds(1) || MinTtl > TimeSpan.FromDays(1))
        {
            yield return $"{nameof(MinTtl)} is {MinTtl}; it must be 1 s to a day.";
        }

        if (MaxTtl < MinTtl || MaxTtl > TimeSpan.FromDays(1))
        {
            yield return $"{nameof(MaxTtl)} is {MaxTtl}; it must be {nameof(MinTtl)}, which is {MinTtl}, to a day.";
        }

        if (Timeout <= TimeSpan.Zero || Timeout > TimeSpan.FromMinutes(1))
        {
            yield return $"{nameof(Timeout)} is {Timeout}; it must be more than 0 and at most a minute.";
        }

        if (Server is not null && !IPEndPoint.TryParse(Server, out _))
        {
            yield return $"{nameof(Server)} is '{Server}'; it must be an IP address with or without a port, such as '10.0.0.53:53'.";
        }
    }

    // Labels as RFC 1035 §2.3.4 bounds them, with the underscore of services (RFC 2782). An address is no name.
    private static bool IsName(string host)
    {
        var name = host.EndsWith('.') ? host[..^1] : host;
        return name.Length is > 0 and <= 253
            && !IPAddress.TryParse(name, out _)
            && name.Split('.').All(label => label.Length is > 0 and <= 63 && label.All(letter => char.IsAsciiLetterOrDigit(letter) || letter is '-' or '_'));
    }
}
