namespace ProxyKit.FailureMatrix.Tests;

/// <summary>The gateway itself is told to stop.</summary>
public sealed class GatewayStopsTests
{
    [Fact]
    public async Task Row_26_All_that_is_under_way_is_finished_and_the_port_is_closed()
    {
        var gate = new TaskCompletionSource();
        await using var backend = ScriptedBackend.Start(Answers.Gated("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabc", gate.Task, "def"));
        await using var gateway = await GatewayProcess.StartAsync(backend.Address);
        var clients = await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => RawClient.ConnectAsync(gateway.Address)));
        try
        {
            await Task.WhenAll(clients.Select((client, i) => client.SendAsync(i % 4 == 0 ? "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc" : "GET / HTTP/1.1\r\nHost: x\r\n\r\n")));
            var heads = await Task.WhenAll(clients.Select(client => client.ReadHeadAsync()));
            gateway.Stop();
            await RefusesAsync(gateway.Address);
            gate.SetResult();
            var responses = await Task.WhenAll(clients.Zip(heads).Select(pair => pair.First.ReadBodyAsync(pair.Second)));
            Assert.All(responses, response => Assert.Equal((200, "abcdef", BodyEnd.Complete), (response.Status, response.Text, response.End)));
            Assert.Equal(0, await gateway.WhenExitedAsync());
        }
        finally
        {
            await Task.WhenAll(clients.Select(client => client.DisposeAsync().AsTask()));
        }
    }

    // It stops listening before it waits: a balancer before it sees that at once.
    private static async Task RefusesAsync(Uri address)
    {
        for (var i = 0; ; i++)
        {
            try
            {
                await using var client = await RawClient.ConnectAsync(address);
                await client.ReadToEndAsync(); // taken at the last moment, and closed
            }
            catch (System.Net.Sockets.SocketException)
            {
                return;
            }

            Assert.True(i < 1_000, "It still takes connections.");
        }
    }
}
