using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace ProxyKit.Forwarding.Tests;

public sealed class MirrorTests
{
    [Fact]
    public async Task A_copy_holds_the_body_whole_and_its_answer_goes_nowhere()
    {
        await using var run = Mirrored(maxBytes: 10);
        var client = new ClientBody("POST");
        await client.SendAsync("abc");
        client.End();
        await run.ServeAsync(client.Context);
        Assert.Equal((200, "real: abc"), (client.Context.Response.StatusCode, EngineRun.Read(client.Context)));
        await EngineRun.UntilAsync(() => run.Backends.Asked.Contains("mirror") && run.InFlight == 0);
    }

    [Fact]
    public async Task A_body_too_large_for_the_copy_reaches_its_own_pool_whole()
    {
        await using var run = Mirrored(maxBytes: 4);
        var client = new ClientBody("POST");
        await client.SendAsync("abcdef");
        client.End();
        await run.ServeAsync(client.Context);
        Assert.Equal("real: abcdef", EngineRun.Read(client.Context));
        Assert.Equal(["a"], run.Backends.Asked);
    }

    [Fact]
    public async Task A_copy_that_cannot_be_made_takes_no_seat_for_good()
    {
        await using var run = Mirrored(maxBytes: 4);
        Assert.Equal(400, (await run.GetAsync(change: context => context.Request.Headers["a b"] = "c")).Status);
        Assert.Equal(0, run.InFlight);
    }

    [Fact]
    public async Task A_client_at_fault_is_told_so_though_the_copy_met_it_first()
    {
        await using var run = Mirrored(maxBytes: 4);
        var client = new ClientBody("POST");
        client.End(new BadHttpRequestException("too much", 413));
        await run.ServeAsync(client.Context);
        Assert.Equal(413, client.Context.Response.StatusCode);
    }

    [Fact]
    public async Task A_client_that_stands_still_meets_its_limit_while_the_copy_waits()
    {
        await using var run = Mirrored(maxBytes: 4, new TimeoutOptions { RequestBody = TimeSpan.FromSeconds(5) });
        var client = new ClientBody("POST");
        await client.SendAsync("a");
        var asked = run.ServeAsync(client.Context);
        Assert.Empty(run.Backends.Asked);
        run.Time.Advance(TimeSpan.FromSeconds(5));
        await EngineRun.UntilAsync(() => run.Backends.Asked.Count > 0);
        await EngineRun.UntilAsync(() =>
        {
            run.Time.Advance(TimeSpan.FromSeconds(1));
            return asked.IsCompleted;
        });
        await asked;
        Assert.Equal(408, client.Context.Response.StatusCode);
    }

    private static EngineRun Mirrored(int maxBytes, TimeoutOptions? timeouts = null)
    {
        EngineRun? run = null;
        run = new EngineRun(
            pool => pool.WithTimeouts(timeouts ?? new TimeoutOptions())
                .AddPool("m", "http://mirror").WithHttpClient(client => client.ConfigurePrimaryHttpMessageHandler(() => run!.Backends)),
            route => route.WithMirror(new MirrorOptions { Pool = "m", MaxBodyBytes = maxBytes }),
            members: 1);
        run.Backends.On("mirror", 200, "mirrored").On("a", async (request, cancellationToken) =>
            new Answer(200, "real: " + (request.Content is { } content ? await content.ReadAsStringAsync(cancellationToken) : "")));
        return run;
    }
}
