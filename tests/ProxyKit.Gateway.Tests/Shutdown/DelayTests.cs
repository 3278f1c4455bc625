using System.Net.Sockets;

using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Time.Testing;

namespace ProxyKit.Gateway.Tests;

/// <summary>A gateway that was told to stop and still serves, so that whoever stands in front of it notices; its clock is the test's.</summary>
public sealed class DelayTests
{
    private readonly FakeTimeProvider _time = new();

    [Fact]
    public async Task A_connection_that_was_idle_gets_one_more_answer_which_says_that_it_is_the_last()
    {
        await using var backend = ScriptedBackend.Start(Answers.Ok("ok"));
        await using var gateway = await StartAsync(backend);
        await using var client = await RawClient.ConnectAsync(gateway.Address);
        await using var other = await RawClient.ConnectAsync(gateway.Address);
        foreach (var idle in (RawClient[])[client, other])
        {
            var before = await idle.ExchangeAsync(Wire.Get());
            Assert.Equal(("ok", null), (before.Text, before["Connection"]));
        }

        var stopped = await BeginAsync(gateway);
        var last = await client.ExchangeAsync(Wire.Post("abc"));
        Assert.Equal((200, "ok", "close"), (last.Status, last.Text, last["Connection"]));
        Assert.Empty((await client.ReadToEndAsync()).Bytes);
        var refusal = await other.ExchangeAsync(Wire.Get("/a%2fb"));
        Assert.Equal((400, "close"), (refusal.Status, refusal["Connection"]));

        var late = await RawClient.ExchangeAsync(gateway.Address, Wire.Get()); // listening goes on
        Assert.Equal(("ok", "close"), (late.Text, late["Connection"]));
        await EndAsync(gateway, stopped);
    }

    [Fact]
    public async Task Whatever_else_the_host_serves_says_it_as_well()
    {
        await using var backend = ScriptedBackend.Start(Answers.Ok("ok"));
        await using var gateway = await StartAsync(backend, app =>
        {
            app.MapPool("/{**rest}", "p");
            app.MapGet("/ready", (GatewayLifetime lifetime) => lifetime.IsLeaving ? Results.StatusCode(503) : Results.Ok());
        });
        var before = await RawClient.ExchangeAsync(gateway.Address, Wire.Get("/ready"));
        Assert.Equal((200, null), (before.Status, before["Connection"]));
        var stopped = await BeginAsync(gateway);
        var after = await RawClient.ExchangeAsync(gateway.Address, Wire.Get("/ready"));
        Assert.Equal((503, "close"), (after.Status, after["Connection"]));
        await EndAsync(gateway, stopped);
    }

    [Fact]
    public async Task An_answer_that_was_under_way_says_it_if_its_head_has_not_gone()
    {
        var gate = new TaskCompletionSource();
        await using var backend = ScriptedBackend.Start(Answers.Gated("", gate.Task, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"));
        await using var gateway = await StartAsync(backend);
        await using var client = await RawClient.ConnectAsync(gateway.Address);
        await client.SendAsync(Wire.Get());
        await backend.WhenRequestsAsync(1);
        var stopped = await BeginAsync(gateway);
        gate.SetResult();
        var answer = await client.ReadResponseAsync();
        Assert.Equal(("ok", "close"), (answer.Text, answer["Connection"]));
        await EndAsync(gateway, stopped);
    }

    [Fact]
    public async Task On_HTTP_2_a_connection_that_is_used_gets_its_answer_and_GOAWAY()
    {
        await using var backend = ScriptedBackend.Start(Answers.Ok("ok"));
        await using var gateway = await StartAsync(backend);
        var stopped = await BeginAsync(gateway);
        await using (var client = await RawHttp2.ConnectAsync(gateway.Http2Address))
        {
            await client.SendFieldsAsync(RawHttp2.Ordinary(), end: true);
            Assert.Equal(["200", "goaway"], ((string[])[await client.ReadAsync(), await client.ReadAsync()]).Order());
        } // a client that stayed without a word would hold the server up: it closes for its part when it next hears of it

        await EndAsync(gateway, stopped);
    }

    [Fact]
    public async Task Streams_under_way_finish_after_GOAWAY()
    {
        var gate = new TaskCompletionSource();
        await using var backend = ScriptedBackend.Start(exchange => exchange.Request.Target == "/slow"
            ? Answers.Gated("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabc", gate.Task, "def")(exchange)
            : Answers.Ok("ok")(exchange));
        await using var gateway = await StartAsync(backend);
        using var client = gateway.NewHttp2Client();
        using var slow = await client.GetAsync(new Uri("/slow", UriKind.Relative), HttpCompletionOption.ResponseHeadersRead, TestContext.Current.CancellationToken);
        var stopped = await BeginAsync(gateway);
        for (var i = 0; i < 10; i++)
        {
            Assert.Equal("ok", await client.GetStringAsync(new Uri($"/{i}", UriKind.Relative), TestContext.Current.CancellationToken)); // over connections of their own, by and by
        }

        gate.SetResult();
        Assert.Equal("abcdef", await slow.Content.ReadAsStringAsync(TestContext.Current.CancellationToken));
        await EndAsync(gateway, stopped);
    }

    [Fact]
    public async Task Once_it_has_passed_nobody_gets_in_and_what_runs_finishes()
    {
        var gate = new TaskCompletionSource();
        await using var backend = ScriptedBackend.Start(Answers.Gated("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabc", gate.Task, "def"));
        await using var gateway = await StartAsync(backend);
        await using var client = await RawClient.ConnectAsync(gateway.Address);
        await client.SendAsync(Wire.Get());
        var head = await client.ReadHeadAsync();
        var stopped = await BeginAsync(gateway);
        await Eventually.TrueAsync(_time, TimeSpan.FromSeconds(10), () => IsRefused(gateway.Address));
        Assert.False(stopped.IsCompleted);
        gate.SetResult();
        var answer = await client.ReadBodyAsync(head);
        Assert.Equal(("abcdef", BodyEnd.Complete), (answer.Text, answer.End));
        await stopped;
    }

    private Task<GatewayHost> StartAsync(ScriptedBackend backend, Action<WebApplication>? map = null) => GatewayHost.StartAsync(
        proxyKit =>
        {
            proxyKit.Services.AddSingleton<TimeProvider>(_time);
            proxyKit.AddGracefulShutdown(new ShutdownOptions { Delay = TimeSpan.FromMinutes(1), Timeout = TimeSpan.FromHours(1) });
            proxyKit.AddPool("p", backend.Address.ToString()).WithTimeouts(new TimeoutOptions { FirstByte = default, ReadIdle = default, WriteIdle = default });
        },
        map);

    private static async Task<Task> BeginAsync(GatewayHost gateway)
    {
        var stopped = gateway.StopAsync();
        await Eventually.TrueAsync(() => gateway.Services.GetRequiredService<GatewayLifetime>().IsLeaving);
        return stopped;
    }

    private async Task EndAsync(GatewayHost gateway, Task stopped)
    {
        Assert.False(stopped.IsCompleted);
        await Eventually.TrueAsync(_time, TimeSpan.FromSeconds(10), () => stopped.IsCompleted);
        await stopped;
        Assert.True(IsRefused(gateway.Address));
    }

    private static bool IsRefused(Uri address)
    {
        using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
        try
        {
            socket.Connect(address.Host, address.Port);
            return false;
        }
        catch (SocketException fault) when (fault.SocketErrorCode == SocketError.ConnectionRefused)
        {
            return true;
        }
    }
}
