using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace ProxyKit.Transport;

/// <summary>What came of asking for inline completions.</summary>
internal sealed record AskedCompletions(CompletionState State);

/// <summary>Tells the operator, once the host starts, that the preset came too late to take hold.</summary>
internal sealed class LateWarning(AskedCompletions asked, ILogger<LateWarning> logger) : IHostedService
{
    public Task StartAsync(CancellationToken cancellationToken)
    {
        if (asked.State == CompletionState.Queued)
        {
            logger.AskedTooLate(InlineCompletions.Variable);
        }

        return Task.CompletedTask;
    }

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}

internal static partial class Log
{
    [LoggerMessage(1, LogLevel.Warning, "UseProxyKitTransport came after the first socket of the process, so completions still go through the thread pool: call it first in Program.cs, or start the process with {Variable}=1.", EventName = "AskedTooLate")]
    public static partial void AskedTooLate(this ILogger logger, string variable);
}
