namespace ProxyKit.Gateway.Tests;

public sealed class TrailerTests
{
    private const string Answer = "HTTP/1.1 200 OK\r\nTrailer: Sum\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nSum: 7\r\n\r\n";

    [Fact]
    public async Task Trailers_of_an_answer_stay_trailers_or_are_left_out()
    {
        await using var backend = ScriptedBackend.Start(Answers.Raw(Answer));
        await using var gateway = await GatewayHost.OverAsync(backend.Address);
        var response = await RawClient.ExchangeAsync(gateway.Address, Wire.Get("/", "TE: trailers", "Connection: TE"));
        Assert.Equal(("abc", BodyEnd.Complete, null), (response.Text, response.End, response["Sum"]));
        Assert.True(response.Trailers["Sum"] is "7" or null); // Kestrel sends none on HTTP/1.1, and RFC 9110 §6.5.1 allows it
    }

    [Fact]
    public async Task Over_HTTP_2_they_reach_the_client()
    {
        await using var backend = ScriptedBackend.Start(Answers.Raw(Answer));
        await using var gateway = await GatewayHost.OverAsync(backend.Address);
        using var client = gateway.NewHttp2Client();
        using var response = await client.GetAsync(new Uri("/", UriKind.Relative), TestContext.Current.CancellationToken);
        Assert.Equal("abc", await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken));
        Assert.Equal("7", Assert.Single(response.TrailingHeaders.GetValues("Sum")));
    }

    [Theory]
    [InlineData("Content-Length: 3")]
    [InlineData("Transfer-Encoding: identity")]
    [InlineData("Host: admin.example")]
    [InlineData("X-Forwarded-For: 10.0.0.1")]
    [InlineData("Sum: 7")]
    public async Task Trailers_of_a_request_never_become_fields_of_its_head(string trailer)
    {
        await using var backend = ScriptedBackend.Start();
        await using var gateway = await GatewayHost.OverAsync(backend.Address);
        var response = await RawClient.ExchangeAsync(
            gateway.Address, $"POST / HTTP/1.1\r\nHost: shop.example\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n{trailer}\r\n\r\n");
        Assert.True(response.Status is 200 or 400, response.ToString());
        var name = trailer.Split(':')[0];
        Assert.All(backend.Requests, request => Assert.DoesNotContain(trailer, request.Head, StringComparison.OrdinalIgnoreCase));
        Assert.All(backend.Requests, request => Assert.True(name == "Sum" || !request.Trailers.Contains(name), name));
    }

    [Fact]
    public async Task Trailers_of_a_request_reach_the_backend_or_are_left_out_and_its_body_is_whole()
    {
        await using var backend = ScriptedBackend.Start();
        await using var gateway = await GatewayHost.OverAsync(backend.Address);
        var response = await RawClient.ExchangeAsync(
            gateway.Address, "POST / HTTP/1.1\r\nHost: shop.example\r\nTrailer: Sum\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nSum: 7\r\n\r\n");
        Assert.Equal(200, response.Status);
        var request = await backend.WhenRequestAsync();
        Assert.Equal(("abc", BodyEnd.Complete), (request.Text, request.End));
        Assert.True(request.Trailers["Sum"] is "7" or null); // HttpClient sends none, and RFC 9110 §6.5.1 allows it
    }
}
