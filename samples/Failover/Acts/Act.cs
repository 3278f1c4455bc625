namespace Failover;

/// <summary>One thing that goes wrong, under load.</summary>
/// <param name="Name">What <c>--acts</c> calls it.</param>
/// <param name="Title">What the tables call it.</param>
/// <param name="PlayAsync">Plays it; the load runs.</param>
internal sealed record Act(string Name, string Title, Func<Stage, Task> PlayAsync)
{
    // Backends that do something rather than nothing, where one is to be slower than the others.
    private static readonly TimeSpan Work = TimeSpan.FromMilliseconds(5);

    public static IReadOnlyList<Act> All { get; } =
    [
        new("killed", "One of three is killed with kill -9, and starts again later", async stage =>
        {
            await stage.WhenAsync(1.0 / 3);
            await stage.KillAsync(stage.Second);
            await stage.WhenAsync(2.0 / 3);
            await stage.StartAsync(stage.Second);
        }),
        new("all-killed", "All three are killed, and start again later", async stage =>
        {
            await stage.WhenAsync(1.0 / 3);
            await stage.KillAsync([.. stage.Backends]);
            await stage.WhenAsync(2.0 / 3);
            await stage.StartAsync([.. stage.Backends]);
        }),
        new("drained", "Each is drained at the gateway, stopped, started and returned", async stage =>
        {
            await stage.WhenAsync(1.0 / 4);
            stage.BeginFault();
            foreach (var (backend, i) in stage.Backends.Select((backend, i) => (backend, i)))
            {
                await stage.Gateway.DrainAsync(backend);
                await backend.StopAsync();
                await backend.StartAsync();
                await stage.Gateway.ReturnAsync(backend);
                await stage.WhenAsync((i + 2.0) / 4);
            }
        }),
        new("restarted", "Each is stopped and started, and the gateway is not told", async stage =>
        {
            await stage.WhenAsync(1.0 / 4);
            stage.BeginFault();
            foreach (var (backend, i) in stage.Backends.Select((backend, i) => (backend, i)))
            {
                await backend.StopAsync();
                await backend.StartAsync();
                await stage.WhenAsync((i + 2.0) / 4);
            }
        }),
        new("black-hole", "One becomes a black hole: connections to it hang, and those there were are reset", async stage =>
        {
            await stage.WhenAsync(1.0 / 3);
            stage.BeginFault(stage.Second);
            await stage.Second.SwallowAsync();
        }),
        new("slow", "One becomes 20 times slower than the others, which take 5 ms", async stage =>
        {
            await Task.WhenAll(stage.Backends.Select(backend => backend.SlowDownAsync(Work)));
            await stage.WhenAsync(1.0 / 3);
            stage.BeginFault();
            await stage.SlowDownAsync(stage.Second, Work * 20);
        }),
    ];
}
