using System.Globalization;

using Microsoft.Extensions.Time.Testing;

namespace ProxyKit.Testing.Tests;

public sealed class OpenLoadTests
{
    private static readonly LoadOptions Gets = new() { Rate = 500, Posts = 0, Streams = 0 };

    [Fact]
    public async Task All_that_a_backend_answers_well_is_served_byte_for_byte_and_delivered_once()
    {
        var ledger = new LoadLedger();
        await using var backend = ScriptedBackend.Start(Answers.ToLoad("a", ledger));
        await using var load = OpenLoad.Start(backend.Address, new LoadOptions { Rate = 500, StreamBytes = 200_000 });
        await load.WhenDueAsync(300);
        var report = await load.StopAsync();

        Assert.True(report.Sent >= 300 && report.Sent == report.Served, report.ToString());
        Assert.Equal(report.Sent, ledger.To("a"));
        Assert.Empty(ledger.PostsDeliveredTwice);
        Assert.Empty(backend.Faults);
        Assert.Equal(1, report.Share("a"));
        Assert.All(Enum.GetValues<LoadKind>(), kind => Assert.Contains(report.Requests, request => request.Kind == kind));
        Assert.Equal(Enumerable.Range(0, report.Sent), report.Requests.Select(request => request.Number));
    }

    [Theory]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", LoadEnd.Shortened)]
    [InlineData("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", LoadEnd.Shortened)]
    [InlineData("HTTP/1.1 200 OK\r\n\r\n", LoadEnd.Shortened)] // until the connection is closed: nobody can tell
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: 257\r\n\r\n{258}", LoadEnd.Wrong)]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: 256\r\n\r\n{256}", LoadEnd.Wrong)]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: 256\r\n\r\nabc", LoadEnd.Cut)]
    [InlineData("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", LoadEnd.Cut)]
    [InlineData("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nno size", LoadEnd.Cut)]
    [InlineData("HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n", LoadEnd.Refused)]
    [InlineData("HTTP/1.1 20", LoadEnd.Unanswered)]
    [InlineData("", LoadEnd.Unanswered)]
    public async Task Each_way_to_fail_is_a_class_of_its_own(string answer, LoadEnd expected)
    {
        foreach (var length in (int[])[256, 258])
        {
            answer = answer.Replace(string.Create(CultureInfo.InvariantCulture, $"{{{length}}}"), new string('x', length), StringComparison.Ordinal);
        }

        await using var backend = ScriptedBackend.Start(Answers.Close(answer));
        await using var load = OpenLoad.Start(backend.Address, Gets);
        await load.WhenDueAsync(5);
        var report = await load.StopAsync();
        Assert.All(report.Requests, request => Assert.True(request.End == expected, $"{request}"));
        Assert.Equal(report.Sent, report.Failed);
        Assert.Equal(expected is LoadEnd.Refused or LoadEnd.Unanswered ? report.Sent : 0, report.FailedRepeatable);
        Assert.Equal(expected == LoadEnd.Cut ? report.Sent : 0, report.Cut);
        Assert.Equal(expected is LoadEnd.Shortened or LoadEnd.Wrong ? report.Sent : 0, report.Spoiled);
        Assert.Equal(expected == LoadEnd.Refused ? report.Sent : 0, report.Refusals.GetValueOrDefault(503));
    }

    [Fact]
    public async Task A_POST_that_fails_is_told_from_what_could_be_repeated()
    {
        await using var backend = ScriptedBackend.Start(Answers.Reset());
        await using var load = OpenLoad.Start(backend.Address, new LoadOptions { Rate = 500, Gets = 0, Streams = 0 });
        await load.WhenDueAsync(5);
        var report = await load.StopAsync();
        Assert.Equal((report.Sent, 0), (report.FailedPosts, report.FailedRepeatable));
    }

    [Fact]
    public async Task A_POST_delivered_twice_and_one_that_arrives_changed_are_seen()
    {
        var ledger = new LoadLedger();
        await using var backend = ScriptedBackend.Start(Answers.ToLoad("a", ledger));
        var call = new LoadCall(LoadKind.Post, 7, 4);
        var body = new byte[4];
        call.Fill(0, body);
        var whole = $"POST {call.Target} HTTP/1.1\r\nHost: x\r\nX-Load-Id: seven\r\nContent-Length: 4\r\n\r\n{System.Text.Encoding.Latin1.GetString(body)}";
        Assert.Equal(200, (await RawClient.ExchangeAsync(backend.Address, whole)).Status);
        Assert.Empty(ledger.PostsDeliveredTwice);
        Assert.Equal(400, (await RawClient.ExchangeAsync(backend.Address, whole[..^1] + (char)(body[3] ^ 1))).Status);
        Assert.Equal(["seven"], ledger.PostsDeliveredTwice);
    }

    [Fact]
    public async Task Requests_come_when_they_are_due_though_none_is_answered()
    {
        var time = new FakeTimeProvider();
        await using var backend = ScriptedBackend.Start(Answers.Never());
        await using var load = OpenLoad.Start(backend.Address, new LoadOptions { Rate = 100, MaxOutstanding = 30, Timeout = TimeSpan.FromSeconds(2) }, time);
        var due = load.WhenAsync(TimeSpan.FromSeconds(1));
        for (var i = 0; i < 1_100 && !due.IsCompleted; i++)
        {
            time.Advance(TimeSpan.FromMilliseconds(1));
        }

        await Advance(time, due);
        await backend.WhenRequestsAsync(30);
        var stopped = load.StopAsync();
        await Advance(time, stopped);
        var report = await stopped;
        Assert.InRange(report.Requests.Count, 100, 120);
        Assert.Equal((30, report.Requests.Count - 30), (report.Sent, report.NotSent)); // bounded, and it is said
        Assert.All(report.Requests.Where(request => request.End != LoadEnd.NotSent), request =>
        {
            Assert.Equal(LoadEnd.Unanswered, request.End);
            Assert.True(request.Elapsed >= TimeSpan.FromSeconds(2), $"{request}");
        });
    }

    [Fact]
    public async Task A_wait_for_a_connection_counts_from_when_the_request_was_due()
    {
        var gate = new TaskCompletionSource();
        await using var backend = ScriptedBackend.Start(async exchange =>
        {
            await gate.Task.WaitAsync(exchange.Connection.Stopping);
            await Answers.ToLoad("a")(exchange);
        });
        await using var load = OpenLoad.Start(backend.Address, new LoadOptions { Rate = 200, Posts = 0, Streams = 0, Connections = 1 });
        await load.WhenDueAsync(60);
        gate.SetResult();
        var report = await load.StopAsync();
        Assert.Single(backend.Connections);
        Assert.Equal(report.Sent, report.Served);
        Assert.True(report.Requests[0].Elapsed >= TimeSpan.FromMilliseconds(59 * 5), $"{report.Requests[0]}"); // all the time until the gate was opened
        Assert.True(report.Requests[30].Elapsed >= TimeSpan.FromMilliseconds(29 * 5), $"{report.Requests[30]}");
    }

    [Fact]
    public async Task Each_client_keeps_the_cookie_that_it_was_given()
    {
        var given = 0;
        await using var backend = ScriptedBackend.Start(async exchange =>
        {
            var cookie = exchange.Request["Cookie"] is null ? $"Set-Cookie: pk={Interlocked.Increment(ref given)}; Path=/\r\n" : "";
            await exchange.WriteAsync($"HTTP/1.1 503 No\r\nContent-Length: 0\r\n{cookie}\r\n");
        });
        await using var load = OpenLoad.Start(backend.Address, Gets with { Clients = 4, Rate = 50 });
        await load.WhenDueAsync(20);
        await load.StopAsync();
        Assert.Equal(4, load.Report.Requests.Count(request => request.SetsCookie));
        Assert.Equal(4, backend.Requests.Select(request => request["Cookie"]).Where(cookie => cookie is not null).Distinct().Count());
    }

    [Fact]
    public async Task A_run_given_up_leaves_nothing_under_way()
    {
        await using var backend = ScriptedBackend.Start(Answers.Never());
        OpenLoad load;
        await using (load = OpenLoad.Start(backend.Address, Gets))
        {
            await load.WhenDueAsync(10);
        }

        Assert.Equal(load.Report.Sent, load.Report.Count(LoadEnd.Unanswered));
        await Assert.ThrowsAsync<TaskCanceledException>(async () =>
        {
            await using var other = OpenLoad.Start(backend.Address, Gets);
            var never = other.WhenDueAsync(1_000_000);
            await other.DisposeAsync();
            await never;
        });
    }

    [Fact]
    public void Faults_of_the_options_are_said_all_at_once()
    {
        var fault = Assert.Throws<ArgumentException>(() => OpenLoad.Start(new Uri("http://127.0.0.1:1"), new LoadOptions { Rate = 0, Gets = -1, GetBytes = 0, Connections = 0, Clients = -1, MaxOutstanding = 0, Timeout = TimeSpan.Zero }));
        Assert.All((string[])["Rate", "Gets", "GetBytes", "Connections", "Clients", "MaxOutstanding", "Timeout"], name => Assert.Contains($"{name} is", fault.Message, StringComparison.Ordinal));
    }

    // What the clock's owner wakes may set timers of its own a moment later.
    private static async Task Advance(FakeTimeProvider time, Task until)
    {
        for (var i = 0; i < 10_000 && !until.IsCompleted; i++)
        {
            time.Advance(TimeSpan.FromMilliseconds(1));
            await Task.Yield();
        }

        await until.WaitAsync(TimeSpan.FromSeconds(20), TestContext.Current.CancellationToken);
    }
}
