using System.Net;
using System.Threading.Channels;

namespace Failover;

/// <summary>What both .NET gateways have in common: where they listen, and how they speak with the story.</summary>
internal static class GatewayHost
{
    public static WebApplicationBuilder NewBuilder()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0));
        return builder;
    }

    /// <summary>Runs until the standard input ends, and answers each line of it.</summary>
    public static async Task<int> RunAsync(WebApplication app, Failures failures, Func<string[], Task<string>> answerAsync)
    {
        await app.StartAsync();
        failures.Say(app.Urls.Single());
        var saying = failures.SayAllAsync();
        while (await Console.In.ReadLineAsync() is { } line)
        {
            failures.Say(await answerAsync(line.Split(' ')));
        }

        await app.StopAsync();
        failures.End();
        await saying;
        return 0;
    }
}

/// <summary>Says to the story which attempts failed, aside from the requests.</summary>
internal sealed class Failures(TimeProvider time)
{
    private readonly Channel<string> _lines = Channel.CreateUnbounded<string>(new UnboundedChannelOptions { SingleReader = true });

    public void Add(string backend) => Say($"note {time.GetUtcNow().ToUnixTimeMilliseconds()} {backend}");

    public void Say(string line) => _lines.Writer.TryWrite(line);

    public void End() => _lines.Writer.Complete();

    public async Task SayAllAsync()
    {
        await foreach (var line in _lines.Reader.ReadAllAsync())
        {
            await Console.Out.WriteLineAsync(line);
        }
    }
}
