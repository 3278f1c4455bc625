using System.Net;
using System.Text;

namespace ProxyKit.Gateway.Tests;

public sealed class NginxTests
{
    [Fact]
    public async Task Nginx_serves_through_the_gateway()
    {
        await using var nginx = await Nginx.StartAsync();
        await using var gateway = await GatewayHost.OverAsync(nginx.Address);
        var response = await RawClient.ExchangeAsync(gateway.Address, Wire.Get("/say?a=b%20c"));
        Assert.Equal("GET /say?a=b%20c shop.example 127.0.0.1", response.Text);
    }

    [Fact]
    public async Task Files_ranges_and_conditions_come_through()
    {
        await using var nginx = await Nginx.StartAsync();
        var text = new string('a', 300_000) + "end";
        await File.WriteAllTextAsync(Path.Combine(nginx.Folder.FullName, "www", "file.txt"), text, TestContext.Current.CancellationToken);
        await using var gateway = await GatewayHost.OverAsync(nginx.Address);
        await using var client = await RawClient.ConnectAsync(gateway.Address);
        var whole = await client.ExchangeAsync(Wire.Get("/file.txt"));
        Assert.Equal((200, text), (whole.Status, whole.Text));
        var part = await client.ExchangeAsync(Wire.Get("/file.txt", "Range: bytes=-3"));
        Assert.Equal((206, "end", $"bytes 300000-300002/{text.Length}"), (part.Status, part.Text, part["Content-Range"]));
        var same = await client.ExchangeAsync(Wire.Get("/file.txt", $"If-None-Match: {whole["ETag"]}"));
        Assert.Equal((304, ""), (same.Status, same.Text));
        var head = await client.ExchangeAsync("HEAD /file.txt HTTP/1.1\r\nHost: shop.example\r\n\r\n");
        Assert.Equal($"{text.Length}", head["Content-Length"]);
        var packed = await client.ExchangeAsync(Wire.Get("/packed/file.txt", "Accept-Encoding: gzip"));
        Assert.Equal(("gzip", "chunked", BodyEnd.Complete), (packed["Content-Encoding"], packed["Transfer-Encoding"], packed.End));
        Assert.InRange(packed.Body.Length, 1, 10_000);
        var moved = await client.ExchangeAsync(Wire.Get("/moved"));
        Assert.Equal(302, moved.Status);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task An_upload_arrives_byte_for_byte(bool chunked)
    {
        await using var nginx = await Nginx.StartAsync();
        await using var gateway = await GatewayHost.OverAsync(nginx.Address);
        var bytes = new byte[3_000_000];
        new Random(1).NextBytes(bytes);
        using var client = new HttpClient { BaseAddress = gateway.Address };
        using var message = new HttpRequestMessage(HttpMethod.Put, "/put/upload") { Content = new ByteArrayContent(bytes) };
        message.Headers.TransferEncodingChunked = chunked;
        using var response = await client.SendAsync(message, TestContext.Current.CancellationToken);
        Assert.Equal(HttpStatusCode.Created, response.StatusCode);
        Assert.Equal(bytes, await File.ReadAllBytesAsync(Path.Combine(nginx.Folder.FullName, "www", "put", "upload"), TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task Connections_that_nginx_closes_after_their_share_cost_no_request()
    {
        await using var nginx = await Nginx.StartAsync();
        await using var gateway = await GatewayHost.OverAsync(nginx.Address);
        using var client = new HttpClient { BaseAddress = gateway.Address };
        await Parallel.ForEachAsync(Enumerable.Range(0, 1_000), new ParallelOptions { MaxDegreeOfParallelism = 8 }, async (i, cancellationToken) =>
        {
            using var content = new StringContent("abc", Encoding.ASCII);
            using var response = i % 2 == 0
                ? await client.GetAsync(new Uri("/say", UriKind.Relative), cancellationToken)
                : await client.PostAsync(new Uri("/say", UriKind.Relative), content, cancellationToken);
            Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        });
        await gateway.WhenIdleAsync();
    }
}
