using System.Text.RegularExpressions;

namespace ProxyKit.Architecture.Tests;

/// <summary>The rules of dependency that ARCHITECTURE.md states: a star around Core, and a table of libraries.</summary>
public sealed partial class DependencyTests
{
    private const string Core = "ProxyKit.Core";
    private const string Web = "Microsoft.AspNetCore";

    // A satellite is named after its leaf (ProxyKit.Cache.Redis); only those that are not are told here.
    private static readonly Dictionary<string, string> LeafOf = new() { ["ProxyKit.Testing"] = "ProxyKit.Forwarding" };

    public static TheoryData<string> Packages => [.. Repository.Packages];

    [Theory]
    [MemberData(nameof(Packages))]
    public void A_package_knows_Core_and_a_satellite_its_leaf_and_no_other(string package)
    {
        string[] allowed = package == Core ? [] : [Core, .. LeafOf.TryGetValue(package, out var leaf) ? [leaf] : Array.Empty<string>(), .. Repository.Packages.Where(other => package.StartsWith(other + ".", StringComparison.Ordinal))];
        Assert.Empty(Repository.ProjectReferences(package).Except(allowed));
        Assert.Empty(Repository.Load(package).GetReferencedAssemblies().Select(name => name.Name!).Intersect(Repository.Packages).Except(allowed));
    }

    [Theory]
    [InlineData("ProxyKit.Core")]
    [InlineData("ProxyKit.Balancing")]
    [InlineData("ProxyKit.Health")]
    public void What_picks_and_judges_servers_knows_nothing_of_the_web_framework(string package)
    {
        if (!Repository.Packages.Contains(package))
        {
            return; // not written yet: the rule waits for it
        }

        Assert.DoesNotContain(Repository.FrameworkReferences(package), name => name.StartsWith(Web, StringComparison.Ordinal));
        Assert.DoesNotContain(Repository.Load(package).GetReferencedAssemblies(), name => name.Name!.StartsWith(Web, StringComparison.Ordinal));
    }

    [Fact]
    public void Every_library_stands_in_the_table_of_ARCHITECTURE_md_with_the_packages_that_use_it()
    {
        var used = from package in Repository.Packages
                   from library in Repository.PackageReferences(package)
                   select $"{library} in {package}";
        var named = from line in File.ReadLines(Repository.At("ARCHITECTURE.md"))
                    let row = LibraryRow().Match(line)
                    where row.Success
                    from package in Code().Matches(row.Groups["packages"].Value)
                    select $"{row.Groups["library"].Value} in ProxyKit.{package.Groups[1].Value}";
        Assert.Equal(used.Order(StringComparer.Ordinal), named.Order(StringComparer.Ordinal));
    }

    // | `DnsClient` | `Balancing` | why |
    [GeneratedRegex(@"^\| `(?<library>[\w.]+)` \| (?<packages>`\w[\w.]*`(, `\w[\w.]*`)*) \|")]
    private static partial Regex LibraryRow();

    [GeneratedRegex("`([^`]+)`")]
    private static partial Regex Code();
}
