using Microsoft.AspNetCore.Http;

namespace ProxyKit.Forwarding;

/// <summary>One request on its way through the gateway: what its attempts share.</summary>
internal sealed class Exchange(HttpContext context, PoolRoute route, PoolPlan plan, TimeoutOptions timeouts, long began) : IDisposable
{
    private Member[] _tried = [];
    private int _triedCount;

    public HttpContext Context { get; } = context;

    public PoolRoute Route { get; } = route;

    public PoolPlan Plan { get; } = plan;

    public TimeoutOptions Timeouts { get; } = timeouts;

    /// <summary>When it began, as a timestamp.</summary>
    public long Began { get; } = began;

    /// <summary>When it must be over, as a timestamp.</summary>
    public long Total { get; init; }

    /// <summary>The client's body; null where there is none.</summary>
    public BodySource? Body { get; set; }

    /// <summary>What is wrong with the request's head, where that shows only when it is copied; null where nothing is.</summary>
    public BadHttpRequestException? HeadFault { get; set; }

    /// <summary>Whether the client is at fault: then nobody else is asked, and no member blamed.</summary>
    public bool IsClientAtFault => HeadFault is not null || Body?.ClientFault is not null;

    /// <summary>The client's wish to leave HTTP; null for ordinary requests.</summary>
    public Upgrade? Upgrade { get; init; }

    /// <summary>Brings interim heads to the client; null where it gets none.</summary>
    public InterimRelay? Interim { get; set; }

    /// <summary>The path and query before any transform.</summary>
    public required string Path { get; init; }

    public required string Query { get; init; }

    public bool IsGrpc { get; init; }

    /// <summary>Whether it may be applied twice: an idempotent method, or a key by which the destination knows it again.</summary>
    public bool IsRepeatable { get; init; }

    public ulong? Key { get; init; }

    public StickySession Session { get; init; }

    public bool CanReplay => Body is null or { CanReplay: true };

    public ReadOnlyMemory<Member> Tried => _tried.AsMemory(0, _triedCount);

    public void MarkTried(Member member)
    {
        if (_triedCount == _tried.Length)
        {
            Array.Resize(ref _tried, Math.Max(4, _tried.Length * 2));
        }

        _tried[_triedCount++] = member;
    }

    public void ForgetTried() => _triedCount = 0;

    /// <summary>Done when whoever else was asked for it has ended.</summary>
    public Task Others { get; private set; } = Task.CompletedTask;

    public void Await(Task other) => Others = Others.IsCompletedSuccessfully ? other : Task.WhenAll(Others, other);

    /// <summary>The client through which it is sent, held until it is over.</summary>
    public required PoolClient Client { get; init; }

    public void Dispose()
    {
        Body?.Dispose();
        Client.Release();
    }
}
