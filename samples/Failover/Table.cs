using System.Globalization;
using System.Text;

namespace Failover;

/// <summary>The tables, in Markdown, which a terminal shows well enough.</summary>
internal static class Table
{
    public static string Of(Act act, IEnumerable<Scene> scenes)
    {
        var text = new StringBuilder($"## {act.Title}\n\n");
        text.Append("| gateway | sent | failed: GET not begun | POST | cut | spoiled | POST twice | retried | p50 | p95 | p99 | p99.9 | p99 before / of the fault | tried the dead | for | back after | besides |\n");
        text.Append("|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|\n");
        foreach (var scene in scenes)
        {
            var report = scene.Report;
            text.Append(CultureInfo.InvariantCulture, $"| {scene.Gateway} | {report.Sent} | {report.FailedRepeatable} | {report.FailedPosts} | {report.Cut} | {report.Spoiled} | {scene.Twice} | {scene.Tries.Retried} ");
            text.Append(CultureInfo.InvariantCulture, $"| {Ms(report.Latency(0.5))} | {Ms(report.Latency(0.95))} | {Ms(report.Latency(0.99))} | {Ms(report.Latency(0.999))} | {Ms(scene.Before)} / {Ms(scene.Within)} ");
            text.Append(CultureInfo.InvariantCulture, $"| {(scene.Stage.Faulty.Count > 0 ? scene.Wasted : "–")} | {Ms(scene.Ejection)} | {Ms(scene.Recovery)} | {string.Join("; ", scene.Notes())} |\n");
        }

        return text.Append('\n').ToString();
    }

    public static string Ms(TimeSpan? time) => time is { } value ? value.TotalMilliseconds.ToString(value.TotalMilliseconds < 100 ? "0.0" : "0", CultureInfo.InvariantCulture) : "–";
}
