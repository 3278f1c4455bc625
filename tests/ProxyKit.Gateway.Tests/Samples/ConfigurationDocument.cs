using System.Text;
using System.Text.RegularExpressions;

namespace ProxyKit.Gateway.Tests;

/// <summary>docs/configuration.md, as tests read it.</summary>
internal static partial class ConfigurationDocument
{
    public static string Root { get; } = FindRoot();

    public static string Text { get; } = File.ReadAllText(Path.Combine(Root, "docs", "configuration.md")).ReplaceLineEndings("\n");

    /// <summary>The blocks that are whole files, each with the path of the file that it shows or none.</summary>
    public static IReadOnlyList<(string File, string Json)> Files { get; } =
        [.. WholeFile().Matches(Text).Select(match => (match.Groups["file"].Value.Trim(), match.Groups["json"].Value))];

    /// <summary>The rows of the table of keys that stands right below a heading: a key, and its default as it is written.</summary>
    public static IReadOnlyDictionary<string, string> Keys(string heading)
    {
        var start = Text.IndexOf($"\n{heading}\n", StringComparison.Ordinal);
        Assert.True(start >= 0, $"There is no '{heading}'.");
        var end = Text.IndexOf("\n#", start + 2, StringComparison.Ordinal);
        return Row().Matches(end < 0 ? Text[start..] : Text[start..end]).ToDictionary(match => match.Groups["key"].Value, match => match.Groups["default"].Value.Trim().Trim('`'));
    }

    /// <summary>The sentences quoted below a marker, on one line.</summary>
    public static string Quote(string marker)
    {
        var quoted = Text[(Text.IndexOf($"<!-- {marker} -->\n", StringComparison.Ordinal) + marker.Length + 10)..].Split('\n').TakeWhile(line => line.StartsWith('>'));
        return string.Join(' ', quoted.Select(line => line[1..].Trim()));
    }

    /// <summary>Text as a stream, for configuration to read.</summary>
    public static Stream Stream(string text) => new MemoryStream(Encoding.UTF8.GetBytes(text));

    private static string FindRoot()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(folder.FullName, "ProxyKit.sln")))
        {
            folder = folder.Parent ?? throw new DirectoryNotFoundException("No folder above the tests holds ProxyKit.sln.");
        }

        return folder.FullName;
    }

    [GeneratedRegex(@"^<!-- config(?<file> [\w./-]+)? -->\n```json\n(?<json>.*?)^```", RegexOptions.Multiline | RegexOptions.Singleline)]
    private static partial Regex WholeFile();

    // | `Key` | type | default | meaning |
    [GeneratedRegex(@"^\| `(?<key>\w+)` \|[^|\n]*\|(?<default>[^|\n]*)\|[^|\n]*\|$", RegexOptions.Multiline)]
    private static partial Regex Row();
}
