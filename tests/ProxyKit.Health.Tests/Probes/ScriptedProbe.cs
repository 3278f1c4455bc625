using System.Collections.Concurrent;

namespace ProxyKit.Health.Tests.Probes;

/// <summary>A probe whose answers the test says.</summary>
internal sealed class ScriptedProbe : IProbe
{
    private readonly ConcurrentDictionary<string, Func<CancellationToken, ValueTask<ProbeResult>>> _answers = new();
    private readonly ConcurrentQueue<ProbeContext> _asked = new();
    private int _held;

    /// <summary>Every probe that was begun, in order.</summary>
    public IReadOnlyList<ProbeContext> Asked => [.. _asked];

    /// <summary>Probes that wait for something that the test holds.</summary>
    public int Held => Volatile.Read(ref _held);

    public int CountOf(string name) => Asked.Count(context => context.Destination.Name == name);

    public void Answer(string name, ProbeResult result) => Answer(name, _ => new(result));

    public void Answer(string name, Func<CancellationToken, ValueTask<ProbeResult>> answer) => _answers[name] = answer;

    /// <summary>Waits for a gate, and says healthy then; where it heeds that time is up, it throws.</summary>
    public void Hold(string name, Task gate, bool heeds = true) => Answer(name, async cancellationToken =>
    {
        Interlocked.Increment(ref _held);
        try
        {
            await gate.WaitAsync(heeds ? cancellationToken : CancellationToken.None);
            return ProbeResult.Healthy;
        }
        finally
        {
            Interlocked.Decrement(ref _held);
        }
    });

    public ValueTask<ProbeResult> ProbeAsync(ProbeContext context, CancellationToken cancellationToken)
    {
        _asked.Enqueue(context);
        return _answers.TryGetValue(context.Destination.Name, out var answer) ? answer(cancellationToken) : new(ProbeResult.Healthy);
    }
}
