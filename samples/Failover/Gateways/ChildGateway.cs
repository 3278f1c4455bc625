using System.Collections.Concurrent;
using System.Globalization;

namespace Failover;

/// <summary>A .NET gateway in a process of its own, which is told what to do line by line.</summary>
internal sealed class ChildGateway : IGateway
{
    private readonly ConcurrentQueue<(long, string)> _failed = [];
    private Child _child = null!; // from the start on

    public Uri Address { get; private set; } = null!;

    public static async Task<IGateway> StartAsync(string kind, IReadOnlyList<Backend> backends)
    {
        var gateway = new ChildGateway();
        (gateway._child, gateway.Address) = await Child.StartAsync(
            note => gateway._failed.Enqueue((long.Parse(note[0], CultureInfo.InvariantCulture), note[1])),
            ["gateway", kind, .. backends.Select(backend => $"{backend.Name}={backend.Address}")]);
        return gateway;
    }

    public Task DrainAsync(Backend backend) => _child.AskAsync($"drain {backend.Name}");

    public Task ReturnAsync(Backend backend) => _child.AskAsync($"return {backend.Name}");

    public async Task<Tries> TriesAsync()
    {
        var retried = int.Parse(await _child.AskAsync("retried"), CultureInfo.InvariantCulture);
        return new Tries(retried, [.. _failed]);
    }

    public ValueTask DisposeAsync() => _child.DisposeAsync();
}
