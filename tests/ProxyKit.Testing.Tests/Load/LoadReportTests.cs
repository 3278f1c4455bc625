namespace ProxyKit.Testing.Tests;

public sealed class LoadReportTests
{
    [Fact]
    public void Latency_and_counts_can_be_asked_of_any_part()
    {
        var report = new LoadReport(Enumerable.Range(1, 100).Reverse().Select(i => new LoadRequest(
            i % 2 == 0 ? LoadKind.Get : LoadKind.Post,
            i,
            TimeSpan.FromMilliseconds(i * 10),
            i switch { 100 => LoadEnd.NotSent, > 90 => LoadEnd.Refused, _ => LoadEnd.Served },
            TimeSpan.FromMilliseconds(i))
        {
            Server = i <= 30 ? "a" : "b",
            Status = i > 90 ? 503 : 200,
        }));
        Assert.Equal((99, 1, 90, 9), (report.Sent, report.NotSent, report.Served, report.Failed));
        Assert.Equal((4, 5), (report.FailedRepeatable, report.FailedPosts));
        Assert.Equal(9, report.Refusals[503]);
        Assert.Equal(30.0 / 90, report.Share("a"));
        Assert.Equal([TimeSpan.FromMilliseconds(50), TimeSpan.FromMilliseconds(99), TimeSpan.FromMilliseconds(99)], new[] { 0.5, 0.99, 1 }.Select(report.Latency));
        var part = report.Between(TimeSpan.FromMilliseconds(100), TimeSpan.FromMilliseconds(200));
        Assert.Equal((10, 19, TimeSpan.FromMilliseconds(19)), (part.Requests[0].Number, part.Requests[^1].Number, part.Latency(0.99)));
        Assert.Equal(TimeSpan.Zero, report.Where(_ => false).Latency(0.5));
    }

    [Fact]
    public void A_call_is_read_from_its_target_and_knows_its_bytes()
    {
        var call = new LoadCall(LoadKind.Stream, 123, 200_000);
        Assert.Equal(call, LoadCall.Of(call.Target));
        Assert.All((string[])["/", "/load/get/1", "/load/put/1/2", "/load/get/-1/2", "/load/get/1/2/3"], target => Assert.Null(LoadCall.Of(target)));
        var whole = new byte[200_000];
        call.Fill(0, whole);
        Assert.True(call.Matches(0, whole));
        Assert.True(call.Matches(70_001, whole.AsSpan(70_001)));
        Assert.False(call.Matches(70_000, whole.AsSpan(70_001)));
        Assert.False((call with { Number = 124 }).Matches(0, whole));
        whole[^1] ^= 1;
        Assert.False(call.Matches(0, whole));
    }
}
