using System.Reflection;
using System.Xml.Linq;

namespace ProxyKit.Architecture.Tests;

/// <summary>The source tree that these tests were built from.</summary>
internal static class Repository
{
    public static DirectoryInfo Root { get; } = FindRoot();

    /// <summary>Every package, by its id.</summary>
    public static IReadOnlyList<string> Packages { get; } =
        [.. new DirectoryInfo(At("src")).GetDirectories().Where(folder => folder.GetFiles("*.csproj").Length > 0).Select(folder => folder.Name).Order(StringComparer.Ordinal)];

    /// <summary>A path of the tree, from its root.</summary>
    public static string At(params string[] parts) => Path.Combine([Root.FullName, .. parts]);

    public static Assembly Load(string package) => Assembly.Load(new AssemblyName(package));

    public static IReadOnlyList<string> PackageReferences(string package) => References(package, "PackageReference");

    public static IReadOnlyList<string> FrameworkReferences(string package) => References(package, "FrameworkReference");

    /// <summary>The packages of this tree that <paramref name="package"/> names itself.</summary>
    public static IReadOnlyList<string> ProjectReferences(string package) =>
        [.. References(package, "ProjectReference").Select(path => Path.GetFileNameWithoutExtension(path.Replace('\\', '/')))];

    /// <summary>The documents that people read, with their paths from the root.</summary>
    public static IEnumerable<(string Path, string Text)> Documents() =>
        Root.EnumerateFiles("*.md", SearchOption.AllDirectories)
            .Select(file => Path.GetRelativePath(Root.FullName, file.FullName).Replace('\\', '/'))
            .Where(path => !path.Split('/').Any(part => part is "artifacts" or "bin" or "obj" or ".git"))
            .Order(StringComparer.Ordinal)
            .Select(path => (path, File.ReadAllText(At(path)).ReplaceLineEndings("\n")));

    private static IReadOnlyList<string> References(string package, string kind) =>
        [.. XDocument.Load(At("src", package, $"{package}.csproj")).Descendants(kind).Select(element => (string?)element.Attribute("Include")).OfType<string>()];

    private static DirectoryInfo FindRoot()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "ProxyKit.sln")))
            {
                return folder;
            }
        }

        throw new DirectoryNotFoundException($"No folder above '{AppContext.BaseDirectory}' holds ProxyKit.sln; run the tests from the source tree.");
    }
}
