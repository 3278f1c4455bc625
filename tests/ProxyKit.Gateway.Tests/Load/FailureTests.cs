using System.Collections.Concurrent;
using System.Net;
using System.Text;

namespace ProxyKit.Gateway.Tests;

/// <summary>What a failing member costs while requests run: nothing that may be repeated, and nothing twice that may not.</summary>
public sealed class FailureTests
{
    [Fact]
    public async Task One_of_three_that_is_killed_fails_no_GET_and_doubles_no_POST()
    {
        var delivered = new ConcurrentDictionary<string, int>();
        ScriptedBackend Start() => ScriptedBackend.Start(async exchange =>
        {
            await exchange.ReadBodyAsync();
            delivered.AddOrUpdate($"{exchange.Request.Method} {exchange.Request.Target}", 1, (_, before) => before + 1);
            await Answers.Ok("ok")(exchange);
        });

        await using var a = Start();
        await using var b = Start();
        await using var c = Start();
        await using var gateway = await GatewayHost.StartAsync(proxyKit => proxyKit.AddPool("p", a.Address.ToString(), b.Address.ToString(), c.Address.ToString()));
        using var client = new HttpClient { BaseAddress = gateway.Address, Timeout = TimeSpan.FromSeconds(30) };
        var (served, killed) = (0, 0);
        var failedPosts = new ConcurrentQueue<string>();
        await Parallel.ForEachAsync(Enumerable.Range(0, 3_000), new ParallelOptions { MaxDegreeOfParallelism = 16 }, async (i, cancellationToken) =>
        {
            if (Interlocked.Increment(ref served) == 1_000)
            {
                killed = i;
                b.Kill();
            }

            if (i % 5 == 0)
            {
                using var content = new StringContent(new string('a', 8_192), Encoding.ASCII);
                using var response = await client.PostAsync(new Uri($"/{i}", UriKind.Relative), content, cancellationToken);
                if (response.StatusCode != HttpStatusCode.OK)
                {
                    Assert.Equal(HttpStatusCode.BadGateway, response.StatusCode);
                    failedPosts.Enqueue($"/{i}");
                }
            }
            else
            {
                Assert.Equal("ok", await client.GetStringAsync(new Uri($"/{i}", UriKind.Relative), cancellationToken));
            }
        });

        Assert.True(killed > 0);
        Assert.All(delivered.Where(entry => entry.Key.StartsWith("POST", StringComparison.Ordinal)), entry => Assert.Equal(1, entry.Value));
        Assert.InRange(failedPosts.Count, 0, 16); // no more than were under way when it died
        await gateway.WhenIdleAsync();
    }

    [Fact]
    public async Task A_member_that_refuses_at_once_draws_no_traffic_by_looking_idle()
    {
        using var closed = new ClosedPort();
        await using var backend = ScriptedBackend.Start(Answers.Ok("ok"));
        await using var gateway = await GatewayHost.StartAsync(proxyKit => proxyKit.AddPool("p", closed.Address.ToString(), backend.Address.ToString()));
        using var client = new HttpClient { BaseAddress = gateway.Address };
        await Parallel.ForEachAsync(Enumerable.Range(0, 500), new ParallelOptions { MaxDegreeOfParallelism = 8 }, async (_, cancellationToken) =>
            Assert.Equal("ok", await client.GetStringAsync(new Uri("/", UriKind.Relative), cancellationToken)));
        var retries = gateway.Logged.Count(record => record.Id.Name == "AttemptFailed");
        Assert.InRange(retries, 1, 150); // an even share would be 250
    }

    [Fact]
    public async Task A_gateway_that_is_told_to_stop_finishes_what_it_has()
    {
        var gate = new TaskCompletionSource();
        await using var backend = ScriptedBackend.Start(Answers.Gated("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabc", gate.Task, "def"));
        await using var gateway = await GatewayProcess.StartAsync(backend.Address);
        await using var client = await RawClient.ConnectAsync(gateway.Address);
        await client.SendAsync(Wire.Get());
        var head = await client.ReadHeadAsync();
        gateway.Stop();
        gate.SetResult();
        var response = await client.ReadBodyAsync(head);
        Assert.Equal(("abcdef", BodyEnd.Complete), (response.Text, response.End));
        Assert.Equal(0, await gateway.WhenExitedAsync());
    }
}
