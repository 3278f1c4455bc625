using PublicApiGenerator;

namespace ProxyKit.Architecture.Tests;

/// <summary>What users can see of each package, as approved: a change of it shows as a diff.</summary>
public sealed class PublicApiTests
{
    private static readonly ApiGeneratorOptions Options = new() { IncludeAssemblyAttributes = false, DenyNamespacePrefixes = [] };

    public static TheoryData<string> Packages => [.. Repository.Packages];

    [Theory]
    [MemberData(nameof(Packages))]
    public void The_public_surface_is_the_approved_one(string package) =>
        Approved.Match(Repository.Load(package).GeneratePublicApi(Options), package);

    [Fact]
    public void No_approved_surface_is_left_of_a_package_that_is_gone() =>
        Assert.Equal(
            Repository.Packages,
            Directory.GetFiles(Repository.At("tests", "ProxyKit.Architecture.Tests", "__snapshots__"), "*.snap").Select(Path.GetFileNameWithoutExtension).Order(StringComparer.Ordinal));
}
