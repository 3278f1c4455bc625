namespace ProxyKit.Balancing.Tests.Sources;

/// <summary>A source being watched, which may be left while it still waits for the next set.</summary>
internal sealed class Watching : IAsyncDisposable
{
    private readonly CancellationTokenSource _over = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
    private readonly IAsyncEnumerator<IReadOnlyList<Destination>> _sets;
    private Task _last = Task.CompletedTask;

    public Watching(IDestinationSource source) => _sets = source.WatchAsync(_over.Token).GetAsyncEnumerator(_over.Token);

    public IReadOnlyList<Destination> Current => _sets.Current;

    public Task<IReadOnlyList<Destination>> NextAsync()
    {
        var next = MoveAsync();
        _last = next;
        return next;
    }

    public async ValueTask DisposeAsync()
    {
        await _over.CancelAsync();
        await Task.WhenAny(_last);
        await _sets.DisposeAsync();
        _over.Dispose();
    }

    private async Task<IReadOnlyList<Destination>> MoveAsync() =>
        await _sets.MoveNextAsync() ? _sets.Current : throw new InvalidOperationException("The source came to an end.");
}
