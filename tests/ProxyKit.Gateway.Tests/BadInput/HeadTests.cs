namespace ProxyKit.Gateway.Tests;

public sealed class HeadTests
{
    public static readonly TheoryData<string> Bad =
    [
        "GET / HTTP/1.1\nHost: shop.example\n\n",
        "GET / HTTP/1.1\r\nHost: shop.example\nX: y\r\n\r\n",
        "GET / HTTP/1.1\nHost: shop.example\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: shop.example\r\nX: y\r\n\n",
        "GET / HTTP/1.1\r\nHost: shop.example\r\nX: a\r\n b\r\n\r\n",
        "GET / HTTP/1.1\r\n Host: shop.example\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: shop.example\r\nX: a\0b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: shop.example\r\nX\0: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: shop.example\r\nX: a\rb\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: shop.example\r\nX : y\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: shop.example\r\n: y\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: shop.example\r\nnonsense\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: shop.example\r\nX(): y\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: shop.example\r\n\u00e4: y\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a.example\r\nHost: b.example\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a.example, b.example\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: user@shop.example\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: shop.example/a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: \u00e4.example\r\n\r\n",
        "GET / HTTP/2.0\r\nHost: shop.example\r\n\r\n",
        "GET / HTTP/9.9\r\nHost: shop.example\r\n\r\n",
        "GET / http/1.1\r\nHost: shop.example\r\n\r\n",
        "GET /\r\nHost: shop.example\r\n\r\n",
        "GET\r\nHost: shop.example\r\n\r\n",
        "G\u00e4T / HTTP/1.1\r\nHost: shop.example\r\n\r\n",
        "G(T / HTTP/1.1\r\nHost: shop.example\r\n\r\n",
        "GET  / HTTP/1.1\r\nHost: shop.example\r\n\r\n",
        "GET / a HTTP/1.1\r\nHost: shop.example\r\n\r\n",
        "GET\t/\tHTTP/1.1\r\nHost: shop.example\r\n\r\n",
        "\u0016\u0003\u0001\u0002\0\u0001\0\r\n\r\n",
    ];

    [Theory]
    [MemberData(nameof(Bad))]
    public async Task A_head_that_is_not_to_the_letter_is_refused_and_reaches_nobody(string head)
    {
        await using var backend = ScriptedBackend.Start();
        await using var gateway = await GatewayHost.OverAsync(backend.Address);
        await using var client = await RawClient.ConnectAsync(gateway.Address);
        await client.SendAsync(head);
        var response = await client.ReadResponseAsync();
        Assert.True(response.Status is 400 or 505, response.ToString());
        await Wire.ServesOthersAsync(gateway);
        Assert.Equal("/well", Assert.Single(backend.Requests).Target);
    }

    [Fact]
    public async Task Spaces_that_a_lenient_reader_passes_over_are_gone_from_what_is_sent()
    {
        // RFC 9112 §3 lets a server split the line at whitespace.
        await using var backend = ScriptedBackend.Start();
        await using var gateway = await GatewayHost.OverAsync(backend.Address);
        var response = await RawClient.ExchangeAsync(gateway.Address, "GET /a  HTTP/1.1\r\nHost: shop.example\r\n\r\n");
        Assert.True(response.Status is 400 or 200, response.ToString());
        Assert.All(backend.Requests, request => Assert.Equal("/a", request.Target));
        Assert.Empty(backend.Faults);
    }

    [Theory]
    [InlineData(1, 1024 * 1024)]
    [InlineData(16 * 1024, 64)]
    public async Task A_megabyte_of_fields_is_refused(int fields, int length)
    {
        await using var backend = ScriptedBackend.Start();
        await using var gateway = await GatewayHost.OverAsync(backend.Address);
        var lines = Enumerable.Range(0, fields).Select(i => $"X-{i}: {new string('a', length)}").ToArray();
        var response = await RawClient.ExchangeAsync(gateway.Address, Wire.Get("/", lines));
        Assert.True(response.Status is 431 or 400, response.ToString());
        await Wire.ServesOthersAsync(gateway);
        Assert.Single(backend.Requests);
    }

    [Theory]
    [InlineData("a\u00e4\u00ff\u0080z")] // Latin-1, and no valid UTF-8
    [InlineData("\u00c3\u00a4")] // the bytes of an ä in UTF-8
    [InlineData("\u00f0\u009f\u0098\u0080")] // and of a smile
    [InlineData("\u00ff\u00fe\u00c0\u00af")]
    [InlineData("a\tb")]
    public async Task Bytes_of_a_value_pass_unharmed_both_ways(string value)
    {
        await using var backend = ScriptedBackend.Start(Answers.Ok("", $"X-Answer: {value}"));
        await using var gateway = await GatewayHost.OverAsync(backend.Address);
        var response = await RawClient.ExchangeAsync(gateway.Address, Wire.Get("/", $"X-Ask: {value}", $"Cookie: a={value}"));
        Assert.True(response.Status == 200, response.ToString());
        Assert.Equal(value, Assert.Single(backend.Requests)["X-Ask"]);
        Assert.Equal($"a={value}", backend.Requests[0]["Cookie"]);
        Assert.Equal(value, response["X-Answer"]);
    }

    [Fact]
    public async Task Fields_that_stand_twice_stay_two_and_an_empty_one_stays_empty()
    {
        await using var backend = ScriptedBackend.Start(Answers.Ok("", "Set-Cookie: a=1; Expires=Wed, 21 Oct 2026 07:28:00 GMT", "Set-Cookie: b=2", "X-Empty:", "Vary: A", "Vary: B"));
        await using var gateway = await GatewayHost.OverAsync(backend.Address);
        var response = await RawClient.ExchangeAsync(gateway.Address, Wire.Get("/", "X-Empty:", "Accept: a", "Accept: b;q=0.5"));
        Assert.Equal(["a=1; Expires=Wed, 21 Oct 2026 07:28:00 GMT", "b=2"], response.Fields.All("Set-Cookie"));
        Assert.Equal("", response["X-Empty"]);
        Assert.Equal("A, B", response["Vary"]);
        var request = Assert.Single(backend.Requests);
        Assert.Equal("", request["X-Empty"]);
        Assert.Equal("a, b;q=0.5", request["Accept"]);
    }

    [Fact]
    public async Task The_gateway_adds_no_field_of_its_own_to_an_answer()
    {
        await using var backend = ScriptedBackend.Start(Answers.Ok("x"));
        await using var gateway = await GatewayHost.OverAsync(backend.Address);
        var response = await RawClient.ExchangeAsync(gateway.Address, Wire.Get());
        Assert.Subset(new HashSet<string>(["Content-Length", "Date"], StringComparer.OrdinalIgnoreCase), response.Fields.Select(field => field.Key).ToHashSet(StringComparer.OrdinalIgnoreCase));
    }
}
