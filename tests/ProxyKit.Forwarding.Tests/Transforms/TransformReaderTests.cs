using System.Text;

using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;

namespace ProxyKit.Forwarding.Tests;

public class TransformReaderTests
{
    [Fact]
    public void Every_transform_that_code_composes_can_stand_in_configuration()
    {
        var (route, faults) = Read("""
            [
              { "RemovePrefix": "/api" }, { "AddPrefix": "/v2" }, { "SetPath": "/x" }, { "PathPattern": "/v2/{id}" },
              { "PathRegex": { "Pattern": "^/a", "Replacement": "/b" } },
              { "SetQuery": { "Name": "a", "Value": "1" } }, { "AppendQuery": { "Name": "a", "Value": "1" } }, { "RemoveQuery": "a" }, { "KeepQuery": [ "a", "b" ] },
              { "SetRequestHeader": { "Name": "X", "Value": "" } }, { "AppendRequestHeader": { "Name": "X", "Value": "1" } }, { "RemoveRequestHeader": "X" },
              { "BackendAuthorization": { "Scheme": "Bearer", "Parameter": "t" } },
              { "SetResponseHeader": { "Name": "X", "Value": "1" } }, { "AppendResponseHeader": { "Name": "X", "Value": "1" } }, { "RemoveResponseHeader": "Server" },
              { "RewriteLocation": "/api" }, { "RewriteCookies": { "PublicPath": "/api", "BackendPath": "/app" } }
            ]
            """);
        Assert.Empty(faults);
        Assert.Equal(
        [
            new RemovePrefix("/api"), new AddPrefix("/v2"), new SetPath("/x"), new PathPattern("/v2/{id}"), new PathRegex("^/a", "/b"), new SetQuery("a", "1"), new AppendQuery("a", "1"),
            new RemoveQuery("a"), new KeepQuery("a", "b"), new SetRequestHeader("X", ""), new AppendRequestHeader("X", "1"), new RemoveRequestHeader("X"), new BackendAuthorization("Bearer", "t"),
        ], route.Requests);
        Assert.Equal(
            [new SetResponseHeader("X", "1"), new AppendResponseHeader("X", "1"), new RemoveResponseHeader("Server"), new RewriteLocation("/api"), new RewriteCookies("/api", "/app")],
            route.Responses);
    }

    [Fact]
    public void Entries_keep_their_order_beyond_ten()
    {
        var (route, faults) = Read($"[{string.Join(",", Enumerable.Range(0, 12).Select(i => $$"""{ "SetPath": "/{{i}}" }"""))}]");
        Assert.Empty(faults);
        Assert.Equal(Enumerable.Range(0, 12).Select(i => new SetPath($"/{i}")), route.Requests);
    }

    [Theory]
    [InlineData("""[ { "RemovePrefx": "/api" } ]""", "Transforms:0:RemovePrefx is not known; did you mean 'RemovePrefix'?")]
    [InlineData("""[ { "RemovePrefix": "api" } ]""", "Transforms:0:RemovePrefix: RemovePrefix: Prefix is 'api'; it must begin with '/'.")]
    [InlineData("""[ { "SetQuery": { "Name": "a", "Vlaue": "1" } } ]""", "Transforms:0:SetQuery:Vlaue is not known; did you mean 'Value'?")]
    [InlineData("""[ { "SetQuery": { "Name": "a" } } ]""", "Transforms:0:SetQuery has no Value;")]
    [InlineData("""[ { "RemovePrefix": { "Prefix": "/api" } } ]""", "Transforms:0:RemovePrefix is no text;")]
    [InlineData("""[ { "RemovePrefix": "/a", "AddPrefix": "/b" } ]""", "each entry is an object of one name")]
    [InlineData("""{ "RemovePrefix": "/a" }""", "Transforms:RemovePrefix is no entry of a list;")]
    [InlineData("\"RemovePrefix\"", "Transforms is 'RemovePrefix'; write a list")]
    public void Faults_are_told_with_their_path(string transforms, string told)
    {
        var (route, faults) = Read(transforms);
        Assert.Empty(route.Requests);
        Assert.Contains(told, Assert.Single(faults), StringComparison.Ordinal);
    }

    [Fact]
    public void All_faults_are_told_at_once() => Assert.Equal(2, Read("""[ { "SetPath": "x" }, { "AddPrefix": "/ok" }, { "AddPrefix": "y" } ]""").Faults.Count);

    [Fact]
    public void A_secret_in_configuration_is_in_no_fault()
    {
        var (_, faults) = Read("""[ { "BackendAuthorization": { "Scheme": "Bearer", "Parameter": "s3cret\n" } }, { "SetRequestHeader": { "Name": "X", "Value": "s3cret\n" } } ]""");
        Assert.Equal(2, faults.Count);
        Assert.DoesNotContain(faults, fault => fault.Contains("s3cret", StringComparison.Ordinal));
    }

    [Fact]
    public void A_host_adds_transforms_of_its_own_and_may_replace_known_ones()
    {
        var (route, faults) = Read(
            """[ { "Tenant": "a" }, { "SetPath": "ignored" } ]""",
            services => services
                .AddNamedTransform("Tenant", (section, route) => route.SetRequestHeader("X-Tenant", section.Value!))
                .AddNamedTransform("SetPath", (_, route) => route.SetPath("/mine")));
        Assert.Empty(faults);
        Assert.Equal([new SetRequestHeader("X-Tenant", "a"), new SetPath("/mine")], route.Requests);
    }

    private static (GatheredRoute Route, List<string> Faults) Read(string transforms, Action<IServiceCollection>? add = null)
    {
        var services = new ServiceCollection().AddForwardingFeatures();
        add?.Invoke(services);
        var json = new MemoryStream(Encoding.UTF8.GetBytes($$"""{ "Transforms": {{transforms}} }"""));
        var list = new ConfigurationBuilder().AddJsonStream(json).Build().GetSection("Transforms");
        var route = new GatheredRoute();
        var faults = new List<string>();
        services.BuildServiceProvider().GetRequiredService<TransformReader>().Read(list, route, faults);
        return (route, faults);
    }
}
