using System.Net;
using System.Net.Sockets;

namespace ProxyKit.Transport;

/// <summary>Whether the process runs the completions of its sockets where it waits for them.</summary>
internal enum CompletionState
{
    /// <summary>The platform has no such switch (Windows), or it could not be seen whether it took.</summary>
    Unknown,

    /// <summary>They run on the socket threads.</summary>
    Inline,

    /// <summary>They go through the thread pool: the switch was read before it was set.</summary>
    Queued,
}

/// <summary>The runtime's switch for inline completions. It is an environment variable that the runtime reads once, with the first socket of the process.</summary>
internal static class InlineCompletions
{
    public const string Variable = "DOTNET_SYSTEM_NET_SOCKETS_INLINE_COMPLETIONS";

    /// <summary>Sets the switch, and uses a socket so that it is read now; then looks whether it took.</summary>
    public static CompletionState Ask()
    {
        if (OperatingSystem.IsWindows())
        {
            return CompletionState.Unknown;
        }

        Environment.SetEnvironmentVariable(Variable, "1");
        try
        {
            return Observe();
        }
        catch (SocketException)
        {
            return CompletionState.Unknown; // no IPv4 loopback: nothing to look with
        }
    }

    // The runtime says nowhere which way it went, but the thread that completes a read does: a socket thread is none of the pool's.
    private static CompletionState Observe()
    {
        using var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen(1);
        using var near = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        near.Connect(listener.LocalEndPoint!);
        using var far = listener.Accept();

        var seen = new TaskCompletionSource<bool>(TaskCreationOptions.RunContinuationsAsynchronously);
        using var read = new SocketAsyncEventArgs();
        read.SetBuffer(new byte[1]);
        read.Completed += (_, _) => seen.TrySetResult(!Thread.CurrentThread.IsThreadPoolThread);
        if (!far.ReceiveAsync(read))
        {
            return CompletionState.Unknown;
        }

        near.Send([1]);
        return !seen.Task.Wait(TimeSpan.FromSeconds(5)) ? CompletionState.Unknown
            : seen.Task.Result ? CompletionState.Inline : CompletionState.Queued;
    }
}
