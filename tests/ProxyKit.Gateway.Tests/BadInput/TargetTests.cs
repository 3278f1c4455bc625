namespace ProxyKit.Gateway.Tests;

/// <summary>What is routed on and what is sent must be the same target, or a rule on the path could be walked around.</summary>
public sealed class TargetTests
{
    [Theory]
    [InlineData("/a")]
    [InlineData("/a?b=c&d=%2F..%2f%00")]
    [InlineData("/a%20b/%C3%BC")]
    [InlineData("/a%7eb/%41%6a")]
    [InlineData("//a")]
    [InlineData("/a//b/")]
    [InlineData("/a/...")]
    [InlineData("/a/.b/c..d")]
    [InlineData("/a?")]
    [InlineData("/a;v=1/b,c:d@e!$&'()*+=~_-")]
    [InlineData("/?q=a/../b")]
    public async Task A_target_that_can_be_read_one_way_only_arrives_as_it_was_sent(string target)
    {
        await using var backend = ScriptedBackend.Start(Answers.Ok("here"));
        await using var gateway = await GatewayHost.OverAsync(backend.Address);
        var response = await RawClient.ExchangeAsync(gateway.Address, Wire.Get(target));
        Assert.Equal((200, "here"), (response.Status, response.Text));
        Assert.Equal(target, Assert.Single(backend.Requests).Target);
        Wire.HoldsNothingElse(backend);
    }

    [Theory]
    [InlineData("/admin/../public/a")]
    [InlineData("/public/../admin")]
    [InlineData("/public/..")]
    [InlineData("/public/./a")]
    [InlineData("/public/%2e%2e/admin")]
    [InlineData("/public/.%2E/admin")]
    [InlineData("/public/%2e/a")]
    [InlineData("/public/..%2fadmin")]
    [InlineData("/public%2fa")]
    [InlineData("/public/a%2Fb")]
    [InlineData("/public/a%5cb")]
    [InlineData("/public/a%5C..%5Cadmin")]
    [InlineData("/public/a\\..\\admin")]
    [InlineData("/public/a%00b")]
    [InlineData("/public/a%0d%0aX: y")]
    [InlineData("/public/a%0d%0aX:%20y")]
    [InlineData("/public/..;/admin")]
    [InlineData("/public/%2e%2e;a=b/admin")]
    [InlineData("/public/%")]
    [InlineData("/public/%4")]
    [InlineData("/public/%zz")]
    [InlineData("/public/a#b")]
    [InlineData("/public/a\u00e4b")]
    [InlineData("/public/\u00c3\u00a4")]
    [InlineData("/public/a\u0001b")]
    [InlineData("/public/a\u007fb")]
    [InlineData("/public/a\tb")]
    [InlineData("public/a")]
    [InlineData("?public/a")]
    public async Task A_target_that_could_be_read_in_two_ways_is_refused_and_reaches_nobody(string target)
    {
        await using var backend = ScriptedBackend.Start(Answers.Ok());
        await using var gateway = await GatewayHost.StartAsync(
            proxyKit => proxyKit.AddPool("p", backend.Address.ToString()),
            app =>
            {
                app.MapPool("/public/{**rest}", "p");
                app.MapPool("/well", "p");
            });
        var response = await RawClient.ExchangeAsync(gateway.Address, Wire.Get(target));
        Assert.InRange(response.Status, 400, 404);
        await Wire.ServesOthersAsync(gateway);
        Assert.Equal("/well", Assert.Single(backend.Requests).Target);
    }

    [Fact]
    public async Task An_absolute_form_is_sent_in_origin_form_to_the_host_it_names()
    {
        await using var backend = ScriptedBackend.Start();
        await using var gateway = await GatewayHost.OverAsync(backend.Address);
        var response = await RawClient.ExchangeAsync(gateway.Address, "GET http://shop.example/a?b HTTP/1.1\r\nHost: shop.example\r\n\r\n");
        Assert.Equal(200, response.Status);
        var request = Assert.Single(backend.Requests);
        Assert.Equal(("/a?b", "shop.example"), (request.Target, request["Host"]));
    }

    [Fact]
    public async Task An_absolute_form_with_another_Host_is_refused_or_wins()
    {
        await using var backend = ScriptedBackend.Start();
        await using var gateway = await GatewayHost.OverAsync(backend.Address);
        var response = await RawClient.ExchangeAsync(gateway.Address, "GET http://shop.example/a HTTP/1.1\r\nHost: admin.example\r\n\r\n");
        Assert.True(response.Status is 400 or 200);
        Assert.All(backend.Requests, request => Assert.Equal("shop.example", request["Host"])); // RFC 9112 §3.2.2
    }

    [Theory]
    [InlineData("http://shop.example/a/../b")]
    [InlineData("http://shop.example/a%2fb")]
    [InlineData("http://shop.example/%2e%2e/b")]
    public async Task An_absolute_form_is_judged_as_strictly(string target)
    {
        await using var backend = ScriptedBackend.Start();
        await using var gateway = await GatewayHost.OverAsync(backend.Address);
        var response = await RawClient.ExchangeAsync(gateway.Address, $"GET {target} HTTP/1.1\r\nHost: shop.example\r\n\r\n");
        Assert.InRange(response.Status, 400, 404);
        Assert.Empty(backend.Requests);
    }

    [Theory]
    [InlineData("CONNECT shop.example:443 HTTP/1.1\r\nHost: shop.example:443\r\n\r\n")]
    [InlineData("GET shop.example:443 HTTP/1.1\r\nHost: shop.example:443\r\n\r\n")]
    [InlineData("CONNECT / HTTP/1.1\r\nHost: shop.example\r\n\r\n")]
    [InlineData("GET * HTTP/1.1\r\nHost: shop.example\r\n\r\n")]
    public async Task An_authority_form_or_an_asterisk_where_it_must_not_stand_is_refused(string request)
    {
        await using var backend = ScriptedBackend.Start();
        await using var gateway = await GatewayHost.OverAsync(backend.Address);
        var response = await RawClient.ExchangeAsync(gateway.Address, request);
        Assert.InRange(response.Status, 400, 501);
        Assert.NotEqual(500, response.Status);
        Assert.Empty(backend.Requests);
        await Wire.ServesOthersAsync(gateway);
    }

    [Fact]
    public async Task The_asterisk_form_gets_an_answer_and_never_becomes_a_path()
    {
        await using var backend = ScriptedBackend.Start();
        await using var gateway = await GatewayHost.OverAsync(backend.Address);
        var response = await RawClient.ExchangeAsync(gateway.Address, "OPTIONS * HTTP/1.1\r\nHost: shop.example\r\n\r\n");
        Assert.True(response.Status is 200 or 204 or (>= 400 and < 500) or 501, response.ToString());
        Assert.All(backend.Requests, request => Assert.Equal("*", request.Target));
    }

    [Fact]
    public async Task A_request_line_of_a_megabyte_is_refused()
    {
        await using var backend = ScriptedBackend.Start();
        await using var gateway = await GatewayHost.OverAsync(backend.Address);
        var response = await RawClient.ExchangeAsync(gateway.Address, Wire.Get("/" + new string('a', 1024 * 1024)));
        Assert.True(response.Status is 400 or 414, response.ToString());
        await Wire.ServesOthersAsync(gateway);
        Assert.Single(backend.Requests);
    }
}
