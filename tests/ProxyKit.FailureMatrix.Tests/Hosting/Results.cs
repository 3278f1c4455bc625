using System.Globalization;

namespace ProxyKit.FailureMatrix.Tests;

/// <summary>The table that a full run leaves: a line for each row and variation, in the file that PROXYKIT_MATRIX_RESULTS names.</summary>
internal static class Results
{
    public static async Task AddAsync(int row, string fault, Variation variation, LoadReport report, Matrix gateway, LoadLedger? ledger = null)
    {
        var line = string.Create(
            CultureInfo.InvariantCulture,
            $"| {row} | {fault} | {variation} | {report.Sent} | {report.FailedRepeatable} | {report.FailedPosts} | {report.Cut} | {report.Spoiled} | {ledger?.PostsDeliveredTwice.Count ?? 0} | {gateway.Attempts.Count - report.Sent} | {Ms(report, 0.5)} | {Ms(report, 0.95)} | {Ms(report, 0.99)} | {Ms(report, 0.999)} |\n");
        TestContext.Current.TestOutputHelper?.WriteLine($"{line.TrimEnd()}\n{report}");
        if (Environment.GetEnvironmentVariable("PROXYKIT_MATRIX_RESULTS") is { Length: > 0 } file)
        {
            await File.AppendAllTextAsync(file, line);
        }
    }

    private static string Ms(LoadReport report, double share) => report.Latency(share).TotalMilliseconds.ToString("0.0", CultureInfo.InvariantCulture);
}
