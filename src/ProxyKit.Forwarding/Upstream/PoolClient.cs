namespace ProxyKit.Forwarding;

/// <summary>The client of a pool, shared by its requests: once another has taken its place, it is disposed of with the last request that holds it.</summary>
internal sealed class PoolClient(HttpMessageInvoker invoker)
{
    private int _holders = 1; // whoever made it holds it as well, until it is retired
    private int _retired;

    public HttpMessageInvoker Invoker { get; } = invoker;

    /// <summary>Holds it for a request; false where it is gone.</summary>
    public bool TryHold()
    {
        for (var holders = Volatile.Read(ref _holders); holders > 0; holders = Volatile.Read(ref _holders))
        {
            if (Interlocked.CompareExchange(ref _holders, holders + 1, holders) == holders)
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>The request is over.</summary>
    public void Release()
    {
        if (Interlocked.Decrement(ref _holders) == 0)
        {
            Invoker.Dispose();
        }
    }

    /// <summary>Nobody new will want it.</summary>
    public void Retire()
    {
        if (Interlocked.Exchange(ref _retired, 1) == 0)
        {
            Release();
        }
    }
}
