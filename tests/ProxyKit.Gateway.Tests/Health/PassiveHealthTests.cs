using System.Text.Json;

using ProxyKit.Health;

namespace ProxyKit.Gateway.Tests;

public sealed class PassiveHealthTests
{
    [Theory]
    [InlineData("degraded", MemberStanding.Degraded)]
    [InlineData("Draining", MemberStanding.Draining)]
    [InlineData("down", MemberStanding.Down)]
    [InlineData("tired", MemberStanding.Active)] // not a word of it
    public async Task What_a_backend_says_of_itself_is_believed_and_no_client_sees_it(string said, MemberStanding standing)
    {
        await using var backend = ScriptedBackend.Start(Answers.Ok("ok", $"X-Backend-State: {said}", "X-Other: 1"));
        await using var gateway = await GatewayHost.OverAsync(
            pool =>
            {
                pool.AddHealth();
                pool.WithStateHeader();
            },
            backend.Address);
        var response = await RawClient.ExchangeAsync(gateway.Address, Wire.Get("/"));
        Assert.Equal((200, null, "1"), (response.Status, response["X-Backend-State"], response["X-Other"]));
        Assert.Equal(standing, gateway.Pool.Snapshot.Members.Single().Standing);
    }

    [Fact]
    public async Task Where_nobody_listens_the_field_is_one_like_others()
    {
        await using var backend = ScriptedBackend.Start(Answers.Ok("ok", "X-Backend-State: down"));
        await using var gateway = await GatewayHost.OverAsync(pool => pool.AddHealth(), backend.Address);
        var response = await RawClient.ExchangeAsync(gateway.Address, Wire.Get("/"));
        Assert.Equal("down", response["X-Backend-State"]);
        Assert.Equal(MemberStanding.Active, gateway.Pool.Snapshot.Members.Single().Standing);
    }

    [Fact]
    public async Task An_open_circuit_answers_503_at_once_and_says_so()
    {
        await using var backend = ScriptedBackend.Start(Answers.Status(500));
        await using var gateway = await GatewayHost.OverAsync(pool => pool.WithCircuitBreaker(new CircuitBreakerOptions { ConsecutiveFailures = 3 }), backend.Address);
        for (var i = 0; i < 3; i++)
        {
            Assert.Equal(500, (await RawClient.ExchangeAsync(gateway.Address, Wire.Get("/"))).Status);
        }

        var response = await RawClient.ExchangeAsync(gateway.Address, Wire.Get("/"));
        Wire.IsProblem(response, 503);
        using var problem = JsonDocument.Parse(response.Body);
        Assert.Equal("Too many requests have failed of late; this one was not tried.", problem.RootElement.GetProperty("detail").GetString());
        Assert.Equal(3, backend.Requests.Count);
        Assert.Contains("The circuit breaker of pool p has opened for 00:00:05: 3 requests in a row failed.", gateway.Logged.Select(record => record.Message));
    }

    [Fact]
    public async Task A_backend_that_refuses_is_out_after_three_and_no_client_notices()
    {
        using var closed = new ClosedPort();
        await using var backend = ScriptedBackend.Start(Answers.Ok("ok"));
        await using var gateway = await GatewayHost.OverAsync(pool => pool.WithOutlierDetection(), closed.Address, backend.Address);
        for (var i = 0; i < 20; i++)
        {
            Assert.Equal(200, (await RawClient.ExchangeAsync(gateway.Address, Wire.Get("/"))).Status);
        }

        var member = gateway.Pool.Snapshot.Members.Single(member => member.IsDown);
        Assert.Equal(closed.Address.Port, member.Destination.Address.Port);
        Assert.StartsWith("3 failed connections in a row; out for ", Assert.Single(member.Beliefs).Reason, StringComparison.Ordinal);
        Assert.Single(gateway.Logged, record => record.Id.Name == "MemberLost");
    }
}
