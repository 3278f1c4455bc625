using System.Net;

using CsCheck;

using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace ProxyKit.Forwarding.Tests;

public class HashKeyTests
{
    [Fact]
    public void Keys_are_the_same_in_every_process()
    {
        // Written down once: a change would move every client of every gateway that is upgraded.
        Assert.Equal(10536924470262217959UL, KeyHash.Of("alice".AsSpan()));
        Assert.Equal(10011695786057431588UL, new ClientIpKey().Of(IPAddress.Parse("203.0.113.9")));
    }

    [Fact]
    public void What_is_not_there_is_no_key()
    {
        var context = Requests.From(null, ("X-Empty", ""));
        context.Request.QueryString = new QueryString("?empty=&b");
        Assert.All<HashKey>(
            [new ClientIpKey(), new HeaderKey("X-User"), new HeaderKey("X-Empty"), new CookieKey("sid"), new QueryKey("q"), new QueryKey("empty"), new QueryKey("b"), new RouteValueKey("id"), DelegateKey.OfText(_ => null)],
            key => Assert.Null(key.Of(context)));
    }

    [Fact]
    public void Equal_values_have_equal_keys_whatever_stands_beside_them()
    {
        var (a, b) = (Of("alice", "other"), Of("alice", "different"));
        Assert.Equal(a, b);
        Assert.DoesNotContain(null, a);
        Assert.All(a.Zip(Of("bob", "other")), pair => Assert.NotEqual(pair.First, pair.Second));

        static List<ulong?> Of(string user, string other)
        {
            var context = Requests.From("203.0.113.9", ("X-User", user), ("X-Other", other), ("Cookie", $"x={other}; sid={user}; y=1"));
            context.Request.Path = $"/{user}";
            context.Request.QueryString = new QueryString($"?x={other}&user={user}");
            context.Request.RouteValues["user"] = user;
            HashKey[] keys = [new HeaderKey("x-user"), new CookieKey("sid"), new PathKey(), new QueryKey("USER"), new RouteValueKey("user"), DelegateKey.OfText(context => context.Request.Headers["X-User"])];
            return [.. keys.Select(key => key.Of(context))];
        }
    }

    [Theory]
    [InlineData("?user=a%20b", "?user=a+b"), InlineData("?user=alice", "?us%65r=%61lice"), InlineData("?user=alice&user=bob", "?x&user=alice")]
    public void A_parameter_is_the_same_key_however_it_is_encoded(string one, string other)
    {
        var (first, second) = (Requests.From("203.0.113.9"), Requests.From("203.0.113.9"));
        first.Request.QueryString = new QueryString(one);
        second.Request.QueryString = new QueryString(other);
        Assert.Equal(new QueryKey("user").Of(first), new QueryKey("user").Of(second));
        Assert.NotNull(new QueryKey("user").Of(first));
    }

    [Theory]
    [InlineData("203.0.113.9", "::ffff:203.0.113.9", true)]
    [InlineData("203.0.113.9", "203.0.113.10", false)]
    [InlineData("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", true)]
    [InlineData("2001:db8:1:2::1", "2001:db8:1:3::1", false)]
    public void An_address_counts_with_its_prefix(string one, string other, bool same) =>
        Assert.Equal(same, new ClientIpKey().Of(IPAddress.Parse(one)) == new ClientIpKey().Of(IPAddress.Parse(other)));

    [Fact]
    public void Bits_after_the_prefix_change_no_key_and_bits_in_it_do() =>
        Gen.Select(Gen.Byte.Array[16], Gen.Bool, Gen.Int[1, 128], Gen.Int[0, 127]).Sample((bytes, isV4, prefix, flipped) =>
        {
            var length = isV4 ? 4 : 16;
            (prefix, flipped) = (((prefix - 1) % (length * 8)) + 1, flipped % (length * 8));
            bytes = bytes[..length];
            var before = new IPAddress(bytes);
            bytes[flipped / 8] ^= (byte)(0x80 >> (flipped % 8));
            var after = new IPAddress(bytes);
            if (before.IsIPv4MappedToIPv6 || after.IsIPv4MappedToIPv6)
            {
                return;
            }

            var key = isV4 ? new ClientIpKey(V4Bits: prefix) : new ClientIpKey(V6Bits: prefix);
            Assert.Equal(flipped >= prefix, key.Of(before) == key.Of(after));
        });

    [Fact]
    public void The_address_is_the_clients_behind_trusted_proxies()
    {
        var key = new ClientIpKey().For(new ForwardingOptions { TrustedNetworks = ["10.0.0.0/8"] });
        Assert.Equal(new ClientIpKey().Of(Requests.From("198.51.100.1")), key.Of(Requests.From("10.0.0.1", ("X-Forwarded-For", "198.51.100.1"))));
        Assert.Equal(new ClientIpKey().Of(Requests.From("203.0.113.9")), key.Of(Requests.From("203.0.113.9", ("X-Forwarded-For", "198.51.100.1"))));
    }

    [Fact]
    public void A_key_outside_of_a_pool_asks_the_host_whom_to_trust()
    {
        var context = Requests.From("::ffff:10.0.0.1", ("X-Forwarded-For", "198.51.100.1"));
        Assert.Equal(IPAddress.Parse("10.0.0.1"), ClientAddress.Of(context));
        context.RequestServices = new ServiceCollection().AddSingleton(new ForwardingOptions { TrustedNetworks = ["10.0.0.0/8"] }).AddForwardingFeatures().BuildServiceProvider();
        Assert.Equal(IPAddress.Parse("198.51.100.1"), ClientAddress.Of(context));
        Assert.Equal(new ClientIpKey().Of(IPAddress.Parse("198.51.100.1")), new ClientIpKey().Of(context));
    }

    [Fact]
    public void Finding_a_key_allocates_nothing()
    {
        var context = Requests.From("::ffff:203.0.113.9", ("X-User", "alice"), ("Cookie", "a=b; sid=alice"));
        context.Request.Path = "/a/b";
        context.Request.QueryString = new QueryString("?a=b&user=alice");
        context.Request.RouteValues["id"] = "7";
        HashKey[] keys = [new ClientIpKey(), new HeaderKey("X-User"), new CookieKey("sid"), new PathKey(), new QueryKey("user"), new RouteValueKey("id"), new DelegateKey(static _ => 1)];
        foreach (var key in keys)
        {
            key.Of(context);
            var before = GC.GetAllocatedBytesForCurrentThread();
            key.Of(context);
            Assert.True(GC.GetAllocatedBytesForCurrentThread() == before, key.ToString());
        }
    }

    [Fact]
    public void Faults_are_told_when_composed()
    {
        Assert.All<HashKey>(
            [new ClientIpKey(V4Bits: 33), new ClientIpKey(V6Bits: 0), new HeaderKey(""), new HeaderKey("a b"), new CookieKey("a=b"), new QueryKey(""), new RouteValueKey(" ")],
            key => Assert.Single(((IValidatable)key).Faults()));
    }
}
