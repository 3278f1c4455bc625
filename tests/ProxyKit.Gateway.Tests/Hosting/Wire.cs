using System.Text;
using System.Text.Json;

namespace ProxyKit.Gateway.Tests;

/// <summary>What tests on the wire say again and again.</summary>
internal static class Wire
{
    public static string Get(string target = "/", params string[] fields) => $"GET {target} HTTP/1.1\r\nHost: shop.example\r\n{Lines(fields)}\r\n";

    public static string Post(string body, string target = "/", params string[] fields) =>
        $"POST {target} HTTP/1.1\r\nHost: shop.example\r\nContent-Length: {body.Length}\r\n{Lines(fields)}\r\n{body}";

    /// <summary>Asserts that it is an answer of the gateway itself: problem details that say <paramref name="says"/>, complete.</summary>
    public static void IsProblem(RawResponse response, int status, string says = "")
    {
        Assert.True(response.Status == status, $"Expected {status}, got: {response}");
        Assert.StartsWith("application/problem+json", response["Content-Type"], StringComparison.Ordinal);
        Assert.Equal(BodyEnd.Complete, response.End);
        using var problem = JsonDocument.Parse(response.Body);
        Assert.Equal(status, problem.RootElement.GetProperty("status").GetInt32());
        Assert.Contains(says, response.Text, StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain("   at ", response.Text, StringComparison.Ordinal);
        Assert.DoesNotContain("127.0.0.1", response.Text, StringComparison.Ordinal); // who stands behind is nobody's business
    }

    /// <summary>Asserts that the gateway still serves others, on a new connection.</summary>
    public static async Task ServesOthersAsync(GatewayHost gateway)
    {
        var response = await RawClient.ExchangeAsync(gateway.Address, Get("/well"));
        Assert.Equal((200, BodyEnd.Complete), (response.Status, response.End));
    }

    /// <summary>Asserts that no connection carried anything but the requests that the backend read whole.</summary>
    public static void HoldsNothingElse(ScriptedBackend backend)
    {
        Assert.Empty(backend.Faults);
        Assert.Equal(
            backend.Requests.Sum(request => request.Bytes.Length),
            backend.Connections.Sum(connection => connection.Received.Length));
    }

    public static string Text(ReadOnlyMemory<byte> bytes) => Encoding.Latin1.GetString(bytes.Span);

    private static string Lines(string[] fields) => string.Concat(fields.Select(field => $"{field}\r\n"));
}
