using System.Globalization;
using System.Text;

namespace ProxyKit.FailureMatrix.Tests;

/// <summary>A body that the first backend did not want, or did not live to take, is sent to the second whole, or not at all.</summary>
public sealed class ReplayTests
{
    private const int Small = 32 * 1024;
    private const int Large = 1024 * 1024;

    [Theory]
    [InlineData(Small, false, false)]
    [InlineData(Small, true, false)]
    [InlineData(Small, false, true)]
    [InlineData(Large, false, false)]
    [InlineData(Large, true, true)]
    public async Task Row_27_After_a_refused_connection_any_POST_arrives_byte_for_byte(int length, bool chunked, bool expects)
    {
        using var closed = new ClosedPort();
        await using var second = ScriptedBackend.Start(expects ? Answers.Continue(Answers.Ok("here")) : Answers.Ok("here"));
        await using var gateway = await Matrix.OverAsync(new Variation(), [new Destination("closed", closed.Address), second.Named("second")], pool => pool.WithPolicy(new RoundRobin()));
        var body = Body(length);
        var response = await PostAsync(gateway, body, chunked, expects, "");
        Assert.Equal((200, "here"), (response.Status, response.Text));
        Assert.Equal(body, (await second.WhenRequestAsync()).Text);
        Assert.Equal(1, gateway.Attempts.CountAt("closed"));
    }

    [Theory]
    [InlineData(Small, false, 200)]
    [InlineData(Small, true, 200)]
    [InlineData(Large, false, 502)] // more than is kept: told, rather than sent in part
    [InlineData(Large, true, 502)]
    public async Task Row_27_With_a_key_a_body_that_a_reset_swallowed_arrives_whole_or_not_at_all(int length, bool chunked, int expected)
    {
        await using var first = ScriptedBackend.Start(Answers.Reset());
        await using var second = ScriptedBackend.Start(Answers.Ok("here"));
        await using var gateway = await Matrix.OverAsync(new Variation(), [first.Named("first"), second.Named("second")], pool => pool.WithPolicy(new RoundRobin()));
        var body = Body(length);
        var response = await PostAsync(gateway, body, chunked, expects: false, "Idempotency-Key: k\r\n");
        Assert.Equal(expected, response.Status);
        Assert.All(second.Requests, request => Assert.Equal(body, request.Text));
        Assert.Equal(expected == 200 ? 1 : 0, second.Requests.Count);
    }

    private static async Task<RawResponse> PostAsync(Matrix gateway, string body, bool chunked, bool expects, string fields)
    {
        await using var client = await RawClient.ConnectAsync(gateway.Address);
        var framing = chunked ? "Transfer-Encoding: chunked" : $"Content-Length: {body.Length}";
        await client.SendAsync($"POST / HTTP/1.1\r\nHost: x\r\n{framing}\r\n{fields}{(expects ? "Expect: 100-continue\r\n" : "")}\r\n");
        if (expects)
        {
            var bytes = await client.ReadExactlyAsync("HTTP/1.1 100 Continue\r\n\r\n".Length);
            Assert.Equal("HTTP/1.1 100 Continue\r\n\r\n", Encoding.Latin1.GetString(bytes));
        }

        await client.SendAsync(chunked ? Chunked(body) : body);
        return await client.ReadResponseAsync("POST");
    }

    private static string Body(int length) => string.Create(length, 0, static (span, _) =>
    {
        for (var i = 0; i < span.Length; i++)
        {
            span[i] = (char)('a' + (i * 31 % 26));
        }
    });

    private static string Chunked(string body)
    {
        var text = new StringBuilder();
        for (var i = 0; i < body.Length; i += 10_000)
        {
            var piece = body.AsSpan(i, Math.Min(10_000, body.Length - i));
            text.Append(CultureInfo.InvariantCulture, $"{piece.Length:x}\r\n{piece}\r\n");
        }

        return text.Append("0\r\n\r\n").ToString();
    }
}
