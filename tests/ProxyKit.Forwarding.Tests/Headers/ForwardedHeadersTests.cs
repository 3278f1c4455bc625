using CsCheck;

using Microsoft.AspNetCore.Http;

namespace ProxyKit.Forwarding.Tests;

public class ForwardedHeadersTests
{
    private static readonly ForwardingOptions Behind = new() { TrustedNetworks = ["10.0.0.0/8"] };

    [Fact]
    public void By_default_the_client_its_host_and_its_scheme_are_told()
    {
        var request = Write(Requests.From("::ffff:203.0.113.9"), null, new());
        Assert.Equal("203.0.113.9", request.Field("X-Forwarded-For"));
        Assert.Equal("shop.example", request.Field("X-Forwarded-Host"));
        Assert.Equal("http", request.Field("X-Forwarded-Proto"));
        Assert.Null(request.Field("X-Forwarded-Prefix"));
        Assert.Equal("for=203.0.113.9;host=shop.example;proto=http", request.Field("Forwarded"));
    }

    [Fact]
    public void What_a_stranger_says_of_itself_is_dropped()
    {
        foreach (var action in new[] { ForwardedAction.Set, ForwardedAction.Append })
        {
            var options = new ForwardedOptions { For = action, Host = action, Proto = action, Prefix = action, Forwarded = action };
            var context = Requests.From(
                "203.0.113.9", ("X-Forwarded-For", "6.6.6.6"), ("X-Forwarded-Host", "evil"), ("X-Forwarded-Proto", "https"), ("X-Forwarded-Prefix", "/evil"),
                ("Forwarded", "for=6.6.6.6"), ("X-Forwarded-Port", "6"), ("X-Real-IP", "6.6.6.6"));
            var request = Write(context, options, Behind);
            Assert.Equal("203.0.113.9", request.Field("X-Forwarded-For"));
            Assert.Equal("shop.example", request.Field("X-Forwarded-Host"));
            Assert.Equal("http", request.Field("X-Forwarded-Proto"));
            Assert.Null(request.Field("X-Forwarded-Prefix"));
            Assert.Equal("for=203.0.113.9;host=shop.example;proto=http", request.Field("Forwarded"));
            Assert.Null(request.Field("X-Forwarded-Port"));
            Assert.Null(request.Field("X-Real-IP"));
        }
    }

    [Fact]
    public void Set_says_what_trusted_proxies_know_of_the_client()
    {
        var context = Requests.From("10.0.0.1", ("X-Forwarded-For", "6.6.6.6, 198.51.100.1"), ("X-Forwarded-Host", "public.example"), ("X-Forwarded-Proto", "https"), ("X-Forwarded-Port", "443"));
        var request = Write(context, null, Behind);
        Assert.Equal("198.51.100.1", request.Field("X-Forwarded-For"));
        Assert.Equal("public.example", request.Field("X-Forwarded-Host"));
        Assert.Equal("https", request.Field("X-Forwarded-Proto"));
        Assert.Equal("for=198.51.100.1;host=public.example;proto=https", request.Field("Forwarded"));
        Assert.Equal("443", request.Field("X-Forwarded-Port"));
    }

    [Fact]
    public void Append_adds_the_peer_to_what_it_said()
    {
        var context = Requests.From("10.0.0.1", ("X-Forwarded-For", "6.6.6.6"), ("X-Forwarded-For", "198.51.100.1"), ("X-Forwarded-Proto", "https"), ("Forwarded", "for=6.6.6.6"));
        context.Request.PathBase = "/base";
        var request = Write(context, Everything(ForwardedAction.Append), Behind);
        Assert.Equal("6.6.6.6, 198.51.100.1, 10.0.0.1", request.Field("X-Forwarded-For"));
        Assert.Equal("shop.example", request.Field("X-Forwarded-Host"));
        Assert.Equal("https, http", request.Field("X-Forwarded-Proto"));
        Assert.Equal("/base", request.Field("X-Forwarded-Prefix"));
        Assert.Equal("for=198.51.100.1;host=shop.example;proto=https, for=10.0.0.1;host=shop.example;proto=http", request.Field("Forwarded"));
    }

    [Fact]
    public void Where_proxies_write_Forwarded_that_one_is_believed_and_the_other_told_from_it()
    {
        var context = Requests.From("10.0.0.1", ("Forwarded", "for=\"[2001:db8::7]\";proto=https;host=public.example"), ("X-Forwarded-For", "6.6.6.6"));
        var host = Behind with { TrustedField = ForwardedFamily.Forwarded };
        var set = Write(context, null, host);
        Assert.Equal("2001:db8::7", set.Field("X-Forwarded-For"));
        Assert.Equal("public.example", set.Field("X-Forwarded-Host"));
        Assert.Equal("for=\"[2001:db8::7]\";host=public.example;proto=https", set.Field("Forwarded"));
        var appended = Write(context, Everything(ForwardedAction.Append), host);
        Assert.Equal("2001:db8::7, 10.0.0.1", appended.Field("X-Forwarded-For"));
        Assert.Equal("https, http", appended.Field("X-Forwarded-Proto"));
        Assert.Equal("for=\"[2001:db8::7]\";proto=https;host=public.example, for=10.0.0.1;host=shop.example;proto=http", appended.Field("Forwarded"));
    }

    [Fact]
    public void Removed_fields_are_not_sent()
    {
        var request = Write(Requests.From("10.0.0.1", ("X-Forwarded-For", "198.51.100.1"), ("Forwarded", "for=198.51.100.1")), Everything(ForwardedAction.Remove), Behind);
        Assert.Empty(request.Headers.NonValidated);
    }

    [Theory]
    [InlineData("X-Forwarded-For"), InlineData("x-forwarded-host"), InlineData("X-FORWARDED-PROTO"), InlineData("X-Forwarded-Prefix"), InlineData("Forwarded")]
    [InlineData("X-Forwarded-Port"), InlineData("X-Forwarded-User"), InlineData("X-Real-IP"), InlineData("X_Forwarded_For"), InlineData("x-real_ip")]
    public void Incoming_forwarding_fields_are_left_out_of_the_copy_however_they_are_written(string name) =>
        Assert.True(ForwardedHeaders.Create(null, new()).Owns(name));

    [Theory]
    [InlineData("Host"), InlineData("From"), InlineData("X-Request-ID"), InlineData("Fx"), InlineData("X-Forwarded"), InlineData("Forwarded-For"), InlineData("Cookie")]
    public void Other_fields_are_copied(string name) => Assert.False(ForwardedHeaders.Create(null, new()).Owns(name));

    [Fact]
    public void Fields_that_are_off_pass_as_they_came()
    {
        var headers = ForwardedHeaders.Create(Everything(ForwardedAction.Off), new());
        Assert.All(["X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Prefix", "Forwarded"], name => Assert.False(headers.Owns(name)));
        Assert.True(headers.Owns("X-Forwarded-Port"));
    }

    // RFC 7239 §4: IPv6 in brackets, and quoted because of the colon; a port makes a host quoted too. §6.3: identifiers begin with an underscore.
    [Theory]
    [InlineData("2001:db8::7", "a.example", "for=\"[2001:db8::7]\";host=a.example;proto=http")]
    [InlineData("192.0.2.1", "a.example:8080", "for=192.0.2.1;host=\"a.example:8080\";proto=http")]
    [InlineData("192.0.2.1", "[2001:db8::1]:80", "for=192.0.2.1;host=\"[2001:db8::1]:80\";proto=http")]
    [InlineData("192.0.2.1", "", "for=192.0.2.1;proto=http")]
    [InlineData("192.0.2.1", "a\"b", "for=192.0.2.1;proto=http")] // no host at all
    [InlineData(null, "a.example", "for=unknown;host=a.example;proto=http")]
    public void Forwarded_is_quoted_as_the_standard_says(string? peer, string host, string expected)
    {
        var context = Requests.From(peer);
        context.Request.Headers.Host = host;
        Assert.Equal(expected, Write(context, null, new()).Field("Forwarded"));
    }

    [Fact]
    public void A_gateway_may_name_itself_and_hide_the_client()
    {
        var options = new ForwardedOptions { By = "_gateway", Obfuscate = true };
        var headers = ForwardedHeaders.Create(options, new());
        var (first, again, other) = (Forwarded("203.0.113.9"), Forwarded("203.0.113.9"), Forwarded("203.0.113.8"));
        Assert.Matches("^by=_gateway;for=_[0-9a-f]{16};host=shop.example;proto=http$", first);
        Assert.Equal(first, again);
        Assert.NotEqual(first, other);

        string Forwarded(string peer)
        {
            var request = new HttpRequestMessage();
            headers.Write(Requests.From(peer), request);
            return request.Field("Forwarded")!;
        }
    }

    [Theory]
    [InlineData("_gw", true), InlineData("192.0.2.1", true), InlineData("[2001:db8::1]:443", true), InlineData("2001:db8::1", false), InlineData("gateway", false), InlineData("_a b", false), InlineData("", false)]
    public void By_is_an_address_or_an_identifier(string by, bool isFit) => Assert.Equal(isFit, !new ForwardedOptions { By = by }.Faults().Any());

    [Fact]
    public void What_is_quoted_reads_the_same() =>
        Gen.String[Gen.Char[' ', '~'], 1, 30].Sample(text =>
        {
            var element = Assert.Single(ForwardedElement.Parse($"for={ForwardedElement.Quoted(text)};proto=http"));
            Assert.Equal(new ForwardedElement(text, null, "http"), element);
        });

    [Fact]
    public void The_defaults_allocate_nothing_of_their_own()
    {
        var headers = ForwardedHeaders.Create(null, new());
        var context = Requests.From("::ffff:203.0.113.9");
        Measure(headers, context);
        var (measured, baseline) = (long.MaxValue, 0L);
        for (var i = 0; i < 50; i++)
        {
            (measured, baseline) = (Math.Min(measured, Measure(headers, context)), Math.Max(baseline, Baseline()));
        }

        Assert.InRange(measured, 0, baseline);

        static long Measure(ForwardedHeaders headers, DefaultHttpContext context)
        {
            var request = new HttpRequestMessage();
            var before = GC.GetAllocatedBytesForCurrentThread();
            headers.Write(context, request);
            return GC.GetAllocatedBytesForCurrentThread() - before;
        }

        // What HttpRequestMessage itself takes to hold four fields.
        static long Baseline()
        {
            var request = new HttpRequestMessage();
            var before = GC.GetAllocatedBytesForCurrentThread();
            request.Headers.TryAddWithoutValidation("X-Forwarded-For", "a");
            request.Headers.TryAddWithoutValidation("X-Forwarded-Host", "a");
            request.Headers.TryAddWithoutValidation("X-Forwarded-Proto", "a");
            request.Headers.TryAddWithoutValidation("Forwarded", "a");
            return GC.GetAllocatedBytesForCurrentThread() - before;
        }
    }

    private static ForwardedOptions Everything(ForwardedAction action) => new() { For = action, Host = action, Proto = action, Prefix = action, Forwarded = action };

    private static HttpRequestMessage Write(HttpContext context, ForwardedOptions? options, ForwardingOptions host)
    {
        var request = new HttpRequestMessage();
        ForwardedHeaders.Create(options, host).Write(context, request);
        return request;
    }
}
