namespace ProxyKit.FailureMatrix.Tests;

/// <summary>Connections that are kept and used again end at the wrong moment.</summary>
public sealed class ReusedTests
{
    private static readonly Variation Plain = new();

    [Fact]
    public async Task Row_19_A_kept_connection_that_breaks_as_it_is_used_again_costs_no_GET_and_doubles_no_POST()
    {
        // The worst of the race, each time: the second request of a connection is read and answered with RST.
        var ledger = new LoadLedger();
        ScriptedBackend Start(string name)
        {
            var toLoad = Answers.ToLoad(name, ledger);
            var used = new System.Collections.Concurrent.ConcurrentDictionary<int, bool>();
            return ScriptedBackend.Start(exchange =>
            {
                if (used.TryAdd(exchange.Connection.Number, true))
                {
                    return toLoad(exchange);
                }

                ledger.Deliver(name, LoadCall.Of(exchange.Request.Target)!.Value.Kind, exchange.Request[LoadCall.IdField]!);
                exchange.Connection.Reset();
                return Task.CompletedTask;
            });
        }

        await using var a = Start("a");
        await using var b = Start("b");
        await using var c = Start("c");
        await using var gateway = await Matrix.OverAsync(Plain, [a.Named("a"), b.Named("b"), c.Named("c")], pool => pool.WithRetries(new RetryOptions { MaxAttempts = 16, BudgetShare = 10 }));
        await using var load = gateway.Load(Plain, new LoadOptions { Rate = 100, StreamBytes = 100_000 });
        await load.WhenAsync(Variation.Length);
        var report = await load.StopAsync();
        await Results.AddAsync(19, "kept connections break as they are used", Plain, report, gateway, ledger);
        Row.LosesNothingRepeatable(report, ledger);
        Assert.True(report.FailedPosts > 0, "No POST met the race, so nothing was shown.");
        await gateway.IsIdleAsync();
    }

    [Fact]
    public async Task Row_19_With_the_pool_s_idle_time_below_the_backend_s_no_POST_fails_either()
    {
        // Clients that come every two seconds to a backend that closes what has rested for two. The pool looks at its connections once a second at the most.
        var ledger = new LoadLedger();
        await using var backend = ScriptedBackend.Start(Answers.ToLoad("a", ledger));
        backend.IdleTimeout = TimeSpan.FromSeconds(2);
        await using var gateway = await Matrix.OverAsync(Plain, [backend.Named("a")], pool => pool.WithUpstream(new UpstreamOptions { IdleTimeout = TimeSpan.FromMilliseconds(500) }));
        OpenLoad[] loads = [.. Enumerable.Range(0, 8).Select(i => gateway.Load(Plain, new LoadOptions { Rate = 0.496 + (i * 0.001), Gets = 0, Streams = 0 }))];
        await Task.WhenAll(loads.Select(load => load.WhenDueAsync(3)));
        foreach (var load in loads)
        {
            await using (load)
            {
                Row.LosesNothing(await load.StopAsync(), ledger);
            }
        }

        Assert.True(backend.Connections.Count >= 3, "Each burst needs connections of its own, or nothing was shown.");
    }

    [Fact]
    public Task Row_20_A_host_that_dies_with_a_hundred_streams_on_HTTP_2_fails_none_of_them() => Row.OverThreeAsync(
        new Variation(Http2: true),
        pool => pool.WithRetries(new RetryOptions { BudgetPerSecond = 100 }),
        async (gateway, origins, ledger) =>
        {
            await origins[1].SlowDownAsync(TimeSpan.FromSeconds(30));
            await using var load = gateway.Load(new Variation(Http2: true), new LoadOptions { Http2 = true, Rate = 2_000, Posts = 0, Streams = 0 });
            await load.WhenAsync(TimeSpan.FromSeconds(1));
            var standing = gateway.Pool.Snapshot.Find("b")!.InFlight;
            var killed = load.Elapsed;
            await origins[1].KillAsync();
            var report = await load.StopAsync();
            await Results.AddAsync(20, $"HTTP/2 host killed with {standing} streams", new Variation(Http2: true), report, gateway, ledger);
            Row.LosesNothing(report, ledger);
            Assert.All(report.Requests, request => Assert.True(request.At + request.Elapsed < killed + (Matrix.ConnectTimeout * 2), $"{request}"));
        });
}
