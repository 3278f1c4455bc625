using Snapshooter.Xunit3;

namespace ProxyKit.Architecture.Tests;

/// <summary>Texts that a person has approved: they lie in <c>__snapshots__</c> beside the test. <c>make approve</c> rewrites them.</summary>
/// <remarks>The only file that knows the library behind it.</remarks>
internal static class Approved
{
    /// <summary>Fails where <paramref name="text"/> is not the approved text of that name, or none was approved.</summary>
    public static void Match(string text, string name)
    {
        var rewrite = Environment.GetEnvironmentVariable("PROXYKIT_APPROVE") == "1";
        Environment.SetEnvironmentVariable("SNAPSHOOTER_STRICT_MODE", rewrite ? "off" : "on"); // strict: none approved is a failure too
        var approved = Snapshot.FullName(name);
        var file = Path.Combine(approved.FolderPath, "__snapshots__", approved.Filename);
        if (rewrite && File.Exists(file))
        {
            File.Delete(file);
        }

        Snapshot.Match(text, approved);
    }
}
