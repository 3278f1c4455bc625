using CsCheck;

using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace ProxyKit.Forwarding.Tests;

public class PathTransformTests
{
    [Theory]
    [InlineData("/api", "/api/x", "/x")]
    [InlineData("/api", "/api", "/")]
    [InlineData("/api", "/api/", "/")]
    [InlineData("/api/", "/api/x", "/x")]
    [InlineData("/api", "/apiary", "/apiary")]
    [InlineData("/api", "/x/api", "/x/api")]
    [InlineData("/api", "/API/x%20y", "/x%20y")]
    [InlineData("/api", "/%61pi/x", "/x")] // routing decodes it, and it must not get past the removal
    [InlineData("/a/b", "/a%2Fb/x", "/a%2Fb/x")] // an encoded slash is no separator
    [InlineData("/sträße", "/str%C3%A4%C3%9Fe/x", "/x")]
    [InlineData("/str%C3%A4%C3%9Fe", "/str%c3%a4%c3%9fe/x", "/x")]
    [InlineData("/a%20b", "/a%20b/x", "/x")]
    [InlineData("/", "/x", "/x")]
    public void A_prefix_is_removed_in_whole_segments(string prefix, string path, string expected) =>
        Assert.Equal(expected, TransformRun.Request(new RemovePrefix(prefix), path).Path);

    [Theory]
    [InlineData("/v2", "/x", "/v2/x"), InlineData("/v2/", "/x", "/v2/x"), InlineData("/v2", "/", "/v2/"), InlineData("/", "/x", "/x")]
    public void A_prefix_is_added(string prefix, string path, string expected) => Assert.Equal(expected, TransformRun.Request(new AddPrefix(prefix), path).Path);

    [Fact]
    public void A_path_is_set_and_the_query_stays()
    {
        var context = TransformRun.Request(new SetPath("/index.html"), "/x", "?a=1");
        Assert.Equal(("/index.html", "?a=1"), (context.Path, context.Query));
    }

    [Theory]
    [InlineData("/v2/{id}/{**rest}", "/v2/7/a/b", "7", "a/b")]
    [InlineData("/v2/{id}/{**rest}", "/v2/7", "7", null)]
    [InlineData("/v2/{id}/{*rest}", "/v2/a%20b%3Fc%23d%25/x", "a b?c#d%", "x")]
    [InlineData("/v2/{id}.json", "/v2/a%2Fb.json", "a/b", null)]
    [InlineData("/v2/{id}", "/v2/%0D%0AX%3A%201", "\r\nX: 1", null)]
    [InlineData("/{**rest}", "/a//b", "", "a//b")]
    [InlineData("/{**rest}", "/", "", null)]
    [InlineData("/{**rest}", "/x", "", "//x")]
    [InlineData("/v2/{id}", "/v2/%C3%A4", "ä", null)]
    public void A_pattern_builds_the_path_from_encoded_values(string pattern, string expected, string id, string? rest)
    {
        var values = new RouteValueDictionary { ["id"] = id, ["rest"] = rest };
        Assert.Equal(expected, new PathPattern(pattern).Build(values, slashesStandEncoded: false));
    }

    // A server decodes all but %2F, so a value 'a%2Fb' came as a%2Fb or as a%252Fb; the raw target tells.
    [Theory]
    [InlineData("/x/a%2Fb", "/v2/a%2Fb"), InlineData("/x/a%252Fb", "/v2/a%252Fb"), InlineData("/x/a%252Fb%2F", "/v2/a%252Fb")]
    public void A_slash_that_came_encoded_goes_on_encoded_once(string raw, string expected) =>
        Assert.Equal(expected, TransformRun.Request(new PathPattern("/v2/{id}"), values: new() { ["id"] = "a%2Fb" }, rawTarget: raw).Path);

    [Theory]
    [InlineData("..", "x"), InlineData(".", "x"), InlineData("a", ".."), InlineData("a", "b/../c"), InlineData("a", "b/..;x/c"), InlineData("..%2F..", ""), InlineData("a", "b/..\\c"), InlineData("", "x"), InlineData("a\0", "")]
    public void A_value_that_would_leave_its_place_is_refused_as_a_bad_request(string id, string rest)
    {
        var values = new RouteValueDictionary { ["id"] = id, ["rest"] = rest };
        var fault = Assert.Throws<BadHttpRequestException>(() => TransformRun.Request(new PathPattern("/v2/{id}/{**rest}"), values: values, rawTarget: "/%2F"));
        Assert.Equal(400, fault.StatusCode);
    }

    [Theory]
    [InlineData("^/old/(.*)$", "/new/$1", "/old/a%20b", "/new/a%20b")]
    [InlineData("^/(?<id>[0-9]+)", "/items/${id}", "/42/x", "/items/42/x")]
    [InlineData("^/nothing$", "/x", "/a/b", "/a/b")]
    [InlineData("(?<=/)a", "b", "/a/a", "/b/a")] // looks back, so it runs under a limit of time
    public void A_regular_expression_rewrites_the_path(string pattern, string replacement, string path, string expected) =>
        Assert.Equal(expected, TransformRun.Request(new PathRegex(pattern, replacement).Valid(), path).Path);

    [Fact]
    public void What_an_expression_makes_is_refused_where_it_is_no_safe_path()
    {
        Assert.Throws<BadHttpRequestException>(() => TransformRun.Request(new PathRegex("^/x/", ""), "/x/y"));
        Assert.Throws<BadHttpRequestException>(() => TransformRun.Request(new PathRegex("x", ""), "/.x./y"));
        Assert.Throws<BadHttpRequestException>(() => TransformRun.Request(new PathRegex("x", "%2e"), "/.x/y"));
    }

    [Fact]
    public void An_expression_that_explodes_is_stopped() =>
        Assert.Throws<BadHttpRequestException>(() => TransformRun.Request(new PathRegex("^(?=/)(a|aa|/)+$", "/"), $"/{new string('a', 5000)}!"));

    [Fact]
    public void Faults_are_told_when_composed_with_the_cure()
    {
        Assert.Contains("it must begin with '/'", Fault(route => route.RemovePrefix("api")), StringComparison.Ordinal);
        Assert.Contains("%3F", Fault(route => route.SetPath("/a?b=1")), StringComparison.Ordinal);
        Assert.Contains("a space as %20", Fault(route => route.SetPath("/a b")), StringComparison.Ordinal);
        Assert.Contains("'..' segments", Fault(route => route.AddPrefix("/a/../b")), StringComparison.Ordinal);
        Assert.Contains("'..' segments", Fault(route => route.AddPrefix("/a/%2E%2e")), StringComparison.Ordinal);
        Assert.Contains("has no '}'", Fault(route => route.PathPattern("/a/{b")), StringComparison.Ordinal);
        Assert.Contains("must come last", Fault(route => route.PathPattern("/{**a}/b")), StringComparison.Ordinal);
        Assert.Contains("name of a value", Fault(route => route.PathPattern("/{a:int}")), StringComparison.Ordinal);
        Assert.Contains("regular expression", Fault(route => route.PathRegex("(", "/")), StringComparison.Ordinal);
        Assert.Contains(nameof(SetQuery), Fault(route => route.PathRegex("^/(.*)", "/x?y=$1")), StringComparison.Ordinal);
        Assert.Contains("Name is empty", Fault(route => route.SetQuery("", "x")), StringComparison.Ordinal);

        static string Fault(Action<GatheredRoute> compose) => Assert.Throws<ArgumentException>(() => compose(new GatheredRoute())).Message;
    }

    [Fact]
    public void No_path_transform_makes_an_unsafe_path_of_a_safe_one_or_of_any_value()
    {
        var segment = Gen.String[Gen.OneOf(Gen.Char["./%2eEfF5cC;\\? \r\n#0a"], Gen.Char), 0, 12];
        IRequestTransform[] transforms =
        [
            new RemovePrefix("/a"), new AddPrefix("/a"), new SetPath("/a"), new PathPattern("/v/{id}/{**rest}"), new PathPattern("/v.{id}"), new PathPattern("/.{id}/x"),
            new PathRegex("a|\\.", "$&."), new PathRegex("/[^/]*", ""), new PathRegex("%", "$1"),
        ];
        Gen.Select(segment, segment, segment, Gen.Int[0, transforms.Length - 1], Gen.Bool).Sample((path, id, rest, which, slashes) =>
        {
            var start = $"/{path}";
            if (!EncodedPath.IsSafe(start))
            {
                start = "/a"; // what the gateway lets come here is safe
            }

            try
            {
                var context = TransformRun.Request(transforms[which], start, values: new() { ["id"] = id, ["rest"] = rest }, rawTarget: slashes ? "/%2F" : "/");
                AssertSafe(context.Path);
            }
            catch (BadHttpRequestException)
            {
                // refused, which is safe as well
            }
        }, iter: 20_000);
    }

    [Fact]
    public void No_query_transform_makes_an_unsafe_query()
    {
        var text = Gen.String[Gen.OneOf(Gen.Char["&=+%?# \r\naA61"], Gen.Char), 1, 12];
        Gen.Select(text, text, Gen.String[Gen.Char["&=+%aA61b"], 0, 20], Gen.Int[0, 3]).Sample((name, value, query, which) =>
        {
            IRequestTransform[] transforms = [new SetQuery(name, value), new AppendQuery(name, value), new RemoveQuery(name), new KeepQuery(name, value)];
            var result = TransformRun.Request(transforms[which], query: query.Length == 0 ? "" : $"?{query}").Query;
            Assert.True(EncodedPath.IsSafeQuery(result));
        }, iter: 20_000);
    }

    // Judged apart from the code under test: decoded as often as anyone might, no segment is a dot segment.
    private static void AssertSafe(string path)
    {
        Assert.StartsWith("/", path, StringComparison.Ordinal);
        Assert.All(path, character => Assert.InRange(character, '!', '~'));
        Assert.DoesNotContain('?', path);
        Assert.DoesNotContain('#', path);
        var decoded = Uri.UnescapeDataString(path).Replace('\\', '/');
        Assert.DoesNotContain(decoded.Split('/'), segment => segment.Split(';')[0] is "." or "..");
    }
}
