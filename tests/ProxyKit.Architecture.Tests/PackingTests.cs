using System.Diagnostics;
using System.IO.Compression;
using System.Reflection;
using System.Xml.Linq;

namespace ProxyKit.Architecture.Tests;

/// <summary>What a user gets: looked at in the packages themselves.</summary>
public sealed class PackingTests
{
    public static TheoryData<string> Packages => [.. Repository.Packages];

    [Theory]
    [MemberData(nameof(Packages))]
    public async Task A_package_brings_its_README_licence_documentation_and_symbols(string id)
    {
        var folder = Directory.CreateTempSubdirectory("proxykit-pack-");
        try
        {
            await PackAsync(id, folder.FullName);
            using var package = ZipFile.OpenRead(folder.GetFiles($"{id}.*.nupkg").Single().FullName);
            var entries = package.Entries.Select(entry => entry.FullName).ToList();
            Assert.Contains("README.md", entries);
            Assert.Contains($"lib/net10.0/{id}.dll", entries);
            Assert.Contains($"lib/net10.0/{id}.xml", entries);

            using var nuspec = package.GetEntry($"{id}.nuspec")!.Open();
            var facts = (await XDocument.LoadAsync(nuspec, LoadOptions.None, TestContext.Current.CancellationToken)).Root!.Elements().Single().Elements().ToLookup(element => element.Name.LocalName, element => element.Value);
            Assert.Equal("MIT", facts["license"].Single());
            Assert.Equal("README.md", facts["readme"].Single());
            Assert.NotEmpty(facts["description"].Single());

            using var symbols = ZipFile.OpenRead(folder.GetFiles($"{id}.*.snupkg").Single().FullName);
            Assert.Contains($"lib/net10.0/{id}.pdb", symbols.Entries.Select(entry => entry.FullName));
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    // What was built for this run is packed, so nothing is built twice.
    private static async Task PackAsync(string package, string folder)
    {
        var configuration = typeof(PackingTests).Assembly.GetCustomAttribute<AssemblyConfigurationAttribute>()!.Configuration;
        using var process = Process.Start(new ProcessStartInfo(
            "dotnet", ["pack", Repository.At("src", package), "--no-build", "-c", configuration, "-o", folder, "-nodeReuse:false", "--nologo"])
        {
            RedirectStandardOutput = true,
        })!;
        var said = await process.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        Assert.True(process.ExitCode == 0, said);
    }
}
