using System.Net;

using CsCheck;

namespace ProxyKit.Forwarding.Tests;

public class ClientAddressTests
{
    private static readonly TrustedNetworks Trusted = new(["10.0.0.0/8", "fd00::/8"]);

    [Theory]
    [InlineData("203.0.113.9", "198.51.100.1", "203.0.113.9")] // the peer is not trusted
    [InlineData("10.0.0.1", "198.51.100.1", "198.51.100.1")]
    [InlineData("::ffff:10.0.0.1", "198.51.100.1", "198.51.100.1")] // as a socket for both families tells it
    [InlineData("10.0.0.1", "6.6.6.6, 198.51.100.1", "198.51.100.1")] // what the client wrote itself
    [InlineData("10.0.0.1", "198.51.100.1, 10.0.0.2", "198.51.100.1")]
    [InlineData("10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3")] // all are trusted: the first of them
    [InlineData("10.0.0.1", "198.51.100.1, unknown", "10.0.0.1")]
    [InlineData("10.0.0.1", "198.51.100.1, 10.0.0.2.5", "10.0.0.1")]
    [InlineData("10.0.0.1", "198.51.100.1, 1", "10.0.0.1")] // no 0.0.0.1
    [InlineData("10.0.0.1", "198.51.100.1:4711", "198.51.100.1")]
    [InlineData("10.0.0.1", "[2001:db8::7]:4711", "2001:db8::7")]
    [InlineData("10.0.0.1", "2001:db8::7", "2001:db8::7")]
    [InlineData("10.0.0.1", "::ffff:198.51.100.1", "198.51.100.1")]
    [InlineData("10.0.0.1", " , 198.51.100.1 , ", "198.51.100.1")]
    [InlineData("10.0.0.1", "", "10.0.0.1")]
    [InlineData("fd00::1", "2001:db8::7, fd00::2", "2001:db8::7")]
    public void X_Forwarded_For_is_walked_from_the_right_while_trusted(string peer, string chain, string client) =>
        Assert.Equal(IPAddress.Parse(client), Find(peer, ForwardedFamily.XForwarded, ("X-Forwarded-For", chain)));

    [Fact]
    public void Several_lines_are_one_list() =>
        Assert.Equal(IPAddress.Parse("198.51.100.1"), Find("10.0.0.1", ForwardedFamily.XForwarded, ("X-Forwarded-For", "6.6.6.6, 198.51.100.1"), ("X-Forwarded-For", "10.0.0.2")));

    [Theory]
    [InlineData("for=198.51.100.1", "198.51.100.1")]
    [InlineData("For=\"[2001:db8:cafe::17]:4711\";proto=https", "2001:db8:cafe::17")]
    [InlineData("for=6.6.6.6, for=198.51.100.1;proto=http;by=203.0.113.43", "198.51.100.1")]
    [InlineData("for=198.51.100.1, for=10.0.0.2", "198.51.100.1")]
    [InlineData("for=198.51.100.1, for=_hidden", "10.0.0.1")]
    [InlineData("for=198.51.100.1, for=unknown", "10.0.0.1")]
    [InlineData("for=\"198.51.100.1\\\"", "10.0.0.1")]
    [InlineData("for=\", for=198.51.100.1", "10.0.0.1")] // an open quote swallows nothing that is believed
    [InlineData("by=_x, for=198.51.100.1;host=a, ", "198.51.100.1")]
    [InlineData("for", "10.0.0.1")]
    [InlineData("=;=", "10.0.0.1")]
    public void Forwarded_is_walked_likewise(string line, string client) =>
        Assert.Equal(IPAddress.Parse(client), Find("10.0.0.1", ForwardedFamily.Forwarded, ("Forwarded", line)));

    [Fact]
    public void A_proxy_writes_its_own_line_after_a_broken_one_of_the_client() =>
        Assert.Equal(IPAddress.Parse("198.51.100.1"), Find("10.0.0.1", ForwardedFamily.Forwarded, ("Forwarded", "for=\"x"), ("Forwarded", "for=198.51.100.1")));

    [Fact]
    public void The_family_that_proxies_do_not_write_is_never_read()
    {
        Assert.Equal(IPAddress.Parse("10.0.0.1"), Find("10.0.0.1", ForwardedFamily.XForwarded, ("Forwarded", "for=6.6.6.6")));
        Assert.Equal(IPAddress.Parse("10.0.0.1"), Find("10.0.0.1", ForwardedFamily.Forwarded, ("X-Forwarded-For", "6.6.6.6")));
    }

    [Fact]
    public void A_peer_on_a_unix_socket_is_believed_where_unix_is_trusted()
    {
        var context = Requests.From(null, ("X-Forwarded-For", "198.51.100.1"));
        Assert.Null(ClientAddress.Find(null, context.Request.Headers, Trusted));
        Assert.Equal(IPAddress.Parse("198.51.100.1"), ClientAddress.Find(null, context.Request.Headers, new TrustedNetworks(["unix"])));
    }

    [Fact]
    public void Whatever_is_sent_the_client_is_the_peer_or_an_address_that_was_told() =>
        Gen.Select(Gen.String[Gen.Char["0123456789.:[]abcdef, \";=for_x\\"], 0, 60], Gen.Bool).Sample((text, standard) =>
        {
            var client = Find("10.0.0.1", standard ? ForwardedFamily.Forwarded : ForwardedFamily.XForwarded, (standard ? "Forwarded" : "X-Forwarded-For", text));
            Assert.NotNull(client);
            Assert.False(client.IsIPv4MappedToIPv6);
        });

    [Theory]
    [InlineData("10.0.0.0/8", null), InlineData("10.0.0.1", null), InlineData("::1", null), InlineData("unix", null)]
    [InlineData("10.0.0.1/8", "10.0.0.1/8"), InlineData("10.0.0.0/33", "10.0.0.0/33"), InlineData("localhost", "localhost"), InlineData("1", "1"), InlineData("", "''")]
    public void A_network_that_is_none_is_told_with_the_cure(string network, string? told)
    {
        var faults = new ForwardingOptions { TrustedNetworks = [network] }.Faults().ToList();
        if (told is null)
        {
            Assert.Empty(faults);
            return;
        }

        Assert.Contains(told, Assert.Single(faults), StringComparison.Ordinal);
        Assert.Contains("10.0.0.0/8", faults[0], StringComparison.Ordinal);
    }

    private static IPAddress? Find(string peer, ForwardedFamily family, params (string, string)[] headers)
    {
        var context = Requests.From(peer, headers);
        return ClientAddress.Find(context.Connection.RemoteIpAddress, context.Request.Headers, Trusted, family);
    }
}
