using System.Globalization;

namespace Failover;

/// <summary>A backend, as the story sees it: it keeps its name and port through any number of lives.</summary>
internal sealed class Backend : IAsyncDisposable
{
    private readonly LoadLedger _ledger;
    private readonly bool _isScripted;
    private Child _child = null!; // from the start on

    private Backend(string name, LoadLedger ledger, bool isScripted) => (Name, _ledger, _isScripted) = (name, ledger, isScripted);

    public string Name { get; }

    public Uri Address { get; private set; } = new("http://127.0.0.1:0");

    /// <summary>Starts one: a server, or a script that can become a black hole.</summary>
    public static async Task<Backend> StartAsync(string name, LoadLedger ledger, bool isScripted)
    {
        var backend = new Backend(name, ledger, isScripted);
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

        var port = _isScripted ? "scripted" : Address.Port.ToString(CultureInfo.InvariantCulture);
        (_child, Address) = await Child.StartAsync(note => _ledger.Deliver(Name, Enum.Parse<LoadKind>(note[0]), note[1]), "backend", Name, port);
    }

    /// <summary>From now on it waits for so long before it answers.</summary>
    public Task SlowDownAsync(TimeSpan wait) => _child.AskAsync(string.Create(CultureInfo.InvariantCulture, $"slow {wait.TotalMilliseconds}"));

    /// <summary>From now on connections to it hang.</summary>
    public Task SwallowAsync() => _child.AskAsync("swallow");

    public ValueTask DisposeAsync() => _child.DisposeAsync();
}
