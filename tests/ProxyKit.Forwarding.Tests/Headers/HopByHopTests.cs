using CsCheck;

using Microsoft.Extensions.Primitives;

namespace ProxyKit.Forwarding.Tests;

public class HopByHopTests
{
    [Theory]
    [InlineData("Connection"), InlineData("keep-alive"), InlineData("Proxy-Connection"), InlineData("te"), InlineData("Transfer-Encoding"), InlineData("UPGRADE")]
    [InlineData("HTTP2-Settings"), InlineData("alt-svc"), InlineData("Proxy"), InlineData("Proxy-Authorization"), InlineData("Proxy-Authenticate"), InlineData("Proxy-Authentication-Info")]
    public void Fields_of_one_connection_never_pass(string name) => Assert.True(HopByHop.IsHopByHop(name));

    [Theory]
    [InlineData("Host"), InlineData("Content-Length"), InlineData("Trailer"), InlineData("Authorization"), InlineData("Via"), InlineData("ETag"), InlineData("TX")]
    public void All_else_passes(string name) => Assert.False(HopByHop.IsHopByHop(name));

    [Theory]
    [InlineData("trailers", true), InlineData("gzip, Trailers", true), InlineData("gzip;q=0.5", false), InlineData("xtrailers", false), InlineData("", false)]
    public void Only_the_wish_for_trailers_is_kept_of_TE(string te, bool asks) => Assert.Equal(asks, HopByHop.AsksForTrailers(te));

    [Theory]
    [InlineData("keep-alive"), InlineData("Close"), InlineData("UPGRADE"), InlineData("")]
    public void What_every_request_says_names_nothing(string connection) => Assert.True(new ConnectionTokens(connection).IsEmpty);

    [Fact]
    public void Every_field_that_Connection_names_ends_here()
    {
        var tokens = new ConnectionTokens(new StringValues(["close, X-One", " x-two\t,,"]));
        Assert.False(tokens.IsEmpty);
        Assert.True(tokens.Contains("x-one"));
        Assert.True(tokens.Contains("X-Two"));
        Assert.False(tokens.Contains("X"));
        Assert.False(tokens.Contains("X-Three"));
    }

    // Hop-by-hop abuse: naming a field so that the destination takes the request for another than the gateway and its guards did.
    [Theory]
    [InlineData("Host"), InlineData("Content-Length"), InlineData("Content-Type"), InlineData("Content-Encoding"), InlineData("Authorization"), InlineData("Cookie")]
    [InlineData("X-Forwarded-For"), InlineData("X-Forwarded-User"), InlineData("Forwarded"), InlineData("X-Real-IP"), InlineData("Cache-Control"), InlineData("Origin")]
    [InlineData("Sec-Fetch-Site"), InlineData("Sec-WebSocket-Key"), InlineData("Set-Cookie"), InlineData("Range"), InlineData("Via"), InlineData("Idempotency-Key")]
    public void A_field_meant_for_all_recipients_cannot_be_named_away(string name)
    {
        Assert.False(new ConnectionTokens($"close, {name}").Contains(name));
        Assert.False(new ConnectionTokens($"{new string('x', 200)}, {name}").Contains(name));
    }

    [Fact]
    public void A_long_list_is_read_like_a_short_one() =>
        Gen.String[Gen.Char.AlphaNumeric, 1, 12].Array[1, 60].Sample(names =>
        {
            var one = new ConnectionTokens(string.Join(", ", names));
            var lines = new ConnectionTokens(new StringValues([.. names, "close"]));
            foreach (var name in names.Where(name => !name.Equals("keepalive", StringComparison.OrdinalIgnoreCase)))
            {
                Assert.Equal(lines.Contains(name), one.Contains(name) || names is [_] && one.IsEmpty);
            }

            Assert.False(one.Contains("X-Not-There"));
        });

    [Fact]
    public void Asking_allocates_nothing()
    {
        string[] names = ["Connection", "Accept", "User-Agent", "X-Anything", "Transfer-Encoding"];
        StringValues usual = "keep-alive";
        StringValues short_ = "keep-alive, X-One";
        Ask();
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 100; i++)
        {
            Ask();
        }

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);

        void Ask()
        {
            var (none, few, absent) = (new ConnectionTokens(usual), new ConnectionTokens(short_), new ConnectionTokens(StringValues.Empty));
            foreach (var name in names)
            {
                _ = HopByHop.IsHopByHop(name) | none.Contains(name) | few.Contains(name) | absent.Contains(name);
            }
        }
    }
}
