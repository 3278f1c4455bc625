using System.Globalization;

namespace Failover;

/// <summary>What was asked for on the command line.</summary>
internal sealed record Options
{
    public const string Help = """
        usage: Failover [--seconds N] [--rate N] [--only NAMES] [--acts NAMES] [--markdown FILE]
          --seconds   how long each act lasts; the fault comes after a third of it (12)
          --rate      requests a second: 70 % GETs, 20 % POSTs of 8 KiB, 10 % GETs of 1 MiB (300)
          --only      of proxykit, nginx, yarp (all that are installed)
          --acts      of killed, all-killed, drained, restarted, black-hole, slow (all)
          --markdown  also writes the tables to this file
        """;

    public double Seconds { get; init; } = 12;

    public double Rate { get; init; } = 300;

    public string[] Only { get; init; } = ["proxykit", "nginx", "yarp"];

    public string[] Acts { get; init; } = [.. Act.All.Select(act => act.Name)];

    public string? Markdown { get; init; }

    /// <summary>Reads the command line; null where it says something else.</summary>
    public static Options? Read(string[] args)
    {
        var options = new Options();
        for (var i = 0; i < args.Length; i += 2)
        {
            var next = i + 1 < args.Length ? (args[i], args[i + 1]) switch
            {
                ("--seconds", var text) when IsPositive(text, out var seconds) => options with { Seconds = seconds },
                ("--rate", var text) when IsPositive(text, out var rate) => options with { Rate = rate },
                ("--only", var text) when IsPart(text, options.Only, out var only) => options with { Only = only },
                ("--acts", var text) when IsPart(text, options.Acts, out var acts) => options with { Acts = acts },
                ("--markdown", var file) => options with { Markdown = Path.GetFullPath(file) },
                _ => null,
            } : null;
            if (next is null)
            {
                return null;
            }

            options = next;
        }

        return options;
    }

    private static bool IsPositive(string text, out double value) => double.TryParse(text, CultureInfo.InvariantCulture, out value) && value is > 0 and < 100_000;

    private static bool IsPart(string text, string[] of, out string[] names) => (names = text.Split(',')).All(of.Contains);
}
