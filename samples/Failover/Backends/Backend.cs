using System.Globalization;

namespace Failover;

/// <summary>A backend, as the story sees it: it keeps its name and port through any number of lives.</summary>
internal sealed class Backend : IAsyncDisposable
{
    private readonly LoadLedger _ledger;
    private Child _child = null!; // from the start on

    private Backend(string name, LoadLedger ledger) => (Name, _ledger) = (name, ledger);

    public string Name { get; }

    public Uri Address { get; private set; } = new("http://127.0.0.1:0");

    public static async Task<Backend> StartAsync(string name, LoadLedger ledger)
    {
        var backend = new Backend(name, ledger);
        await backend.StartAsync();
        return backend;
    }

    /// <summary>kill -9.</summary>
    public Task KillAsync() => _child.KillAsync();

    /// <summary>Stops it as an orchestrator does: it finishes what it has.</summary>
    public Task StopAsync() => _child.StopAsync();

    /// <summary>Starts it again; done when it listens.</summary>
    public async Task StartAsync()
    {
        if (_child is not null)
        {
            await _child.DisposeAsync();
        }

        var port = Address.Port.ToString(CultureInfo.InvariantCulture);
        (_child, Address) = await Child.StartAsync(note => _ledger.Deliver(Name, Enum.Parse<LoadKind>(note[0]), note[1]), "backend", Name, port);
    }

    /// <summary>From now on it waits for so long before it answers.</summary>
    public Task SlowDownAsync(TimeSpan wait) => _child.AskAsync(string.Create(CultureInfo.InvariantCulture, $"slow {wait.TotalMilliseconds}"));

    public ValueTask DisposeAsync() => _child.DisposeAsync();
}
