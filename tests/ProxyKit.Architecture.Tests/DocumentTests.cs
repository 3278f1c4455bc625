using System.Text.RegularExpressions;

namespace ProxyKit.Architecture.Tests;

/// <summary>What keeps the documents true.</summary>
public sealed partial class DocumentTests
{
    public static TheoryData<string> Packages => [.. Repository.Packages];

    [Theory]
    [MemberData(nameof(Packages))]
    public void A_package_has_a_README_that_begins_with_its_name(string package) =>
        Assert.StartsWith($"# {package}\n", File.ReadAllText(Repository.At("src", package, "README.md")).ReplaceLineEndings("\n"), StringComparison.Ordinal);

    [Fact]
    public void A_snippet_equals_the_region_that_it_names()
    {
        var faults = from document in Repository.Documents()
                     from Match marker in Marker().Matches(document.Text)
                     let fault = Fault(marker.Groups["path"].Value, marker.Groups["region"].Value, marker.Groups["code"])
                     where fault is not null
                     select $"{document.Path}: {fault}";
        Assert.Empty(faults);
    }

    [Fact]
    public void A_link_within_the_tree_leads_somewhere()
    {
        var dead = from document in Repository.Documents()
                   from Match link in Link().Matches(Fence().Replace(document.Text, ""))
                   let target = link.Groups[1].Value
                   where !target.Contains(':', StringComparison.Ordinal) && !Path.Exists(Path.Combine(Path.GetDirectoryName(Repository.At(document.Path))!, target))
                   select $"{document.Path}: {target}";
        Assert.Empty(dead);
    }

    private static string? Fault(string path, string region, Group code)
    {
        var name = $"{path}#{region}";
        if (!code.Success)
        {
            return $"no block of csharp follows {name}";
        }

        if (!File.Exists(Repository.At(path)))
        {
            return $"there is no {path}";
        }

        return Region(File.ReadAllText(Repository.At(path)).ReplaceLineEndings("\n"), region) switch
        {
            null => $"{path} has no #region {region}",
            var text when text != code.Value => $"the block is not {name}; it should read:\n{text}",
            _ => null,
        };
    }

    // The lines between #region and #endregion, without the indentation that they share.
    private static string? Region(string text, string region)
    {
        var match = Regex.Match(text, $@"^[ \t]*#region {Regex.Escape(region)}[ \t]*\n(?<lines>.*?)^[ \t]*#endregion", RegexOptions.Multiline | RegexOptions.Singleline);
        if (!match.Success)
        {
            return null;
        }

        var lines = match.Groups["lines"].Value.Trim('\n').Split('\n');
        var shared = lines.Where(line => line.Trim().Length > 0).Select(line => line.Length - line.TrimStart().Length).DefaultIfEmpty().Min();
        return string.Concat(lines.Select(line => line[Math.Min(shared, line.Length)..].TrimEnd() + "\n"));
    }

    // <!-- samples/Gateway/Program.cs#compose -->, then the block.
    [GeneratedRegex(@"<!-- (?<path>[\w./-]+\.cs)#(?<region>[\w-]+) -->\s*(```csharp\n(?<code>.*?)^```)?", RegexOptions.Multiline | RegexOptions.Singleline)]
    private static partial Regex Marker();

    [GeneratedRegex(@"\]\(([^)#\s]+)(?:#[^)]*)?\)")]
    private static partial Regex Link();

    [GeneratedRegex(@"^```.*?^```", RegexOptions.Multiline | RegexOptions.Singleline)]
    private static partial Regex Fence();
}
