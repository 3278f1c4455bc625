using System.Diagnostics;

namespace ProxyKit.Forwarding;

/// <summary>One attempt at one member: its seat, its deadline, and how it ended. The answer is in hand until it is relayed or dropped.</summary>
internal sealed class Attempt(Lease lease, Member member, Deadline deadline) : IDisposable
{
    public Member Member { get; } = member;

    public Lease Lease { get; } = lease;

    public Deadline Deadline { get; } = deadline;

    /// <summary>How many attempts were made up to this one, hedges among them.</summary>
    public int Number { get; set; }

    public Activity? Activity { get; set; }

    /// <summary>Where interim heads of the destination go; null where nowhere.</summary>
    public InterimLine? Interim { get; set; }

    /// <summary>The destination's answer; null where it gave none.</summary>
    public HttpResponseMessage? Response { get; set; }

    /// <summary>How it ended.</summary>
    public OutcomeKind Kind { get; set; }

    /// <summary>The limit that was reached, where one was.</summary>
    public TimeoutKind Timeout { get; set; }

    /// <summary>What a transform refused or threw; null where none did. It speaks against no member.</summary>
    public Exception? Refusal { get; set; }

    /// <summary>Whether a WebSocket was asked for over HTTP/2.</summary>
    public bool IsHttp2 { get; set; }

    /// <summary>The key that the gateway itself sent in a WebSocket's handshake; null where it was the client's.</summary>
    public string? WebSocketKey { get; set; }

    public void Dispose()
    {
        Response?.Dispose();
        Activity?.Dispose();
        Lease.Dispose();
    }
}
