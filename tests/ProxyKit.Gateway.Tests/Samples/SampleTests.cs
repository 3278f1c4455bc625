using System.Net;

namespace ProxyKit.Gateway.Tests;

/// <summary>Each sample starts, and does what it says.</summary>
public sealed class SampleTests
{
    private const string FreePort = "http://127.0.0.1:0";

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task The_gateway_serves_from_its_own_backends()
    {
        await using var sample = SampleProcess.Start("Gateway", "--urls", FreePort);
        using var client = new HttpClient { BaseAddress = await sample.WhenListeningAsync() };
        Assert.StartsWith("backend-", await client.GetStringAsync(Relative("/hello"), Token), StringComparison.Ordinal);
        using var answer = await client.GetAsync(Relative("/api/hello?x=1"), Token);
        Assert.Equal("ProxyKit", Assert.Single(answer.Headers.GetValues("X-Gateway")));
        Assert.Contains("GET /hello?x=1", await answer.Content.ReadAsStringAsync(Token), StringComparison.Ordinal);
        var first = await client.GetStringAsync(Relative("/session/a"), Token); // HttpClient keeps the cookie
        Assert.Equal(first, await client.GetStringAsync(Relative("/session/a"), Token));
        using var user = new HttpRequestMessage(HttpMethod.Post, Relative("/users/ada")) { Content = new StringContent("some text"), Headers = { { "X-User", "ada" } } };
        using var posted = await client.SendAsync(user, Token);
        Assert.EndsWith("read 9 characters\n", await posted.Content.ReadAsStringAsync(Token), StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_gateway_runs_from_the_file_that_the_documents_show()
    {
        await using var sample = SampleProcess.Start("Gateway", "--urls", FreePort, "--config", "samples/Gateway/gateway.json");
        using var client = new HttpClient { BaseAddress = await sample.WhenListeningAsync() };
        using var answer = await client.GetAsync(Relative("/orders/a%2Fb"), Token);
        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode); // the gateway's own words: nobody need stand behind it
        Assert.Equal("application/problem+json", answer.Content.Headers.ContentType?.MediaType);
    }

    [Fact]
    public async Task A_file_that_is_not_there_is_said_and_ends_it()
    {
        await using var sample = SampleProcess.Start("Gateway", "--config", "no-such-file.json");
        Assert.Equal(2, await sample.WhenExitedAsync());
    }

    [Fact]
    public async Task The_balancing_client_asks_all_three_and_ends()
    {
        await using var sample = SampleProcess.Start("ClientBalancing");
        Assert.Equal(0, await sample.WhenExitedAsync());
        Assert.Equal(10, sample.Output.Split('\n').Count(line => line.Contains(": served by ", StringComparison.Ordinal)));
        Assert.All((string[])["a", "b", "c"], name => Assert.Contains($"served by {name}\n", sample.Output, StringComparison.Ordinal));
    }

    [Fact]
    public async Task The_story_of_failover_is_told_in_a_table_and_loses_nothing_that_may_be_repeated()
    {
        var file = Path.GetTempFileName();
        try
        {
            await using var sample = SampleProcess.Start("Failover", "--seconds", "2", "--rate", "100", "--only", "proxykit", "--acts", "killed", "--markdown", file);
            Assert.Equal(0, await sample.WhenExitedAsync());
            var row = Assert.Single(sample.Output.Split('\n'), line => line.StartsWith("| ProxyKit |", StringComparison.Ordinal)).Split('|', StringSplitOptions.TrimEntries);
            Assert.InRange(int.Parse(row[2], System.Globalization.CultureInfo.InvariantCulture), 180, 400);
            Assert.Equal(("0", "0", "0"), (row[3], row[6], row[7])); // GETs not begun, spoiled, POSTs twice
            Assert.Contains(string.Join(" | ", row[1..4]), await File.ReadAllTextAsync(file, Token), StringComparison.Ordinal);
        }
        finally
        {
            File.Delete(file);
        }
    }

    [Fact]
    public async Task What_the_story_of_failover_does_not_know_it_says()
    {
        await using var sample = SampleProcess.Start("Failover", "--acts", "earthquake");
        Assert.Equal(2, await sample.WhenExitedAsync());
        Assert.Contains("usage: Failover", sample.Output, StringComparison.Ordinal);
    }

    private static Uri Relative(string path) => new(path, UriKind.Relative);
}
