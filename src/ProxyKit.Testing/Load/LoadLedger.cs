using System.Collections.Concurrent;

namespace ProxyKit.Testing;

/// <summary>What reached the backends of an <see cref="OpenLoad"/>, in any thread.</summary>
public sealed class LoadLedger
{
    private readonly ConcurrentDictionary<(LoadKind Kind, string Id), int> _deliveries = new();
    private readonly ConcurrentDictionary<string, int> _servers = new(StringComparer.Ordinal);

    /// <summary>All that was delivered, what was delivered twice twice.</summary>
    public int Deliveries => _servers.Values.Sum();

    /// <summary>The ids of POSTs that were delivered more than once: there may be none.</summary>
    public IReadOnlyList<string> PostsDeliveredTwice => [.. _deliveries.Where(entry => entry.Key.Kind == LoadKind.Post && entry.Value > 1).Select(entry => entry.Key.Id)];

    /// <summary>Counts a delivery, once the head of the request has come.</summary>
    /// <param name="server">Whom it came to.</param>
    /// <param name="kind">What it is.</param>
    /// <param name="id">Its <see cref="LoadCall.IdField"/>.</param>
    public void Deliver(string server, LoadKind kind, string id)
    {
        _deliveries.AddOrUpdate((kind, id), 1, static (_, before) => before + 1);
        _servers.AddOrUpdate(server, 1, static (_, before) => before + 1);
    }

    /// <summary>What was delivered to a backend.</summary>
    public int To(string server) => _servers.GetValueOrDefault(server);

    /// <summary>The backend's share of all deliveries, 0 to 1.</summary>
    public double Share(string server) => (double)To(server) / Math.Max(1, Deliveries);
}
