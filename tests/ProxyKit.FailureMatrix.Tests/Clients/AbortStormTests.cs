namespace ProxyKit.FailureMatrix.Tests;

/// <summary>Half of all clients leave before they have their answer.</summary>
public sealed class AbortStormTests
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Row_22_Clients_that_leave_speak_against_no_backend_and_leave_no_seat_taken(bool withinBody)
    {
        var gate = new TaskCompletionSource();
        await using var a = ScriptedBackend.Start(Gated(gate.Task, withinBody));
        await using var b = ScriptedBackend.Start(Gated(gate.Task, withinBody));
        await using var gateway = await Matrix.OverAsync(new Variation(), [a.Named("a"), b.Named("b")]);
        var clients = await Task.WhenAll(Enumerable.Range(0, 100).Select(_ => RawClient.ConnectAsync(gateway.Address)));
        try
        {
            await Task.WhenAll(clients.Select(client => client.SendAsync("GET / HTTP/1.1\r\nHost: x\r\n\r\n")));
            await Task.WhenAll(a.WhenRequestsAsync(a.Requests.Count), b.WhenRequestsAsync(b.Requests.Count));
            await WhenAllAsync(a, b, clients.Length);
            RawResponse[] heads = withinBody ? await Task.WhenAll(clients.Select(client => client.ReadHeadAsync())) : [];
            foreach (var client in clients.Where((_, i) => i % 2 == 0))
            {
                client.Reset();
            }

            gate.SetResult();
            var stayed = clients.Select((client, i) => (client, i)).Where(pair => pair.i % 2 == 1);
            var responses = await Task.WhenAll(stayed.Select(pair => withinBody ? pair.client.ReadBodyAsync(heads[pair.i]) : pair.client.ReadResponseAsync()));
            Assert.All(responses, response => Assert.Equal((200, "abcdef", BodyEnd.Complete), (response.Status, response.Text, response.End)));
            await gateway.IsIdleAsync();
            Assert.Equal(0, gateway.Attempts.Failed);
            Assert.All(gateway.Pool.Snapshot.Members, member => Assert.Equal(0, member.Load));
        }
        finally
        {
            await Task.WhenAll(clients.Select(client => client.DisposeAsync().AsTask()));
        }
    }

    private static BackendAnswer Gated(Task gate, bool withinBody)
    {
        const string Head = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabc";
        return withinBody ? Answers.Gated(Head, gate, "def") : Answers.Gated("", gate, $"{Head}def");
    }

    private static async Task WhenAllAsync(ScriptedBackend a, ScriptedBackend b, int count)
    {
        while (a.Requests.Count + b.Requests.Count is var there && there < count)
        {
            var more = a.Requests.Count;
            await Task.WhenAny(a.WhenRequestsAsync(more + 1), b.WhenRequestsAsync(there - more + 1));
        }
    }
}
