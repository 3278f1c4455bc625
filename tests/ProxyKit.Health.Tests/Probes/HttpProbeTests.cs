using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;

using ProxyKit.Testing;

namespace ProxyKit.Health.Tests.Probes;

public sealed class HttpProbeTests
{
    [Theory]
    [InlineData(200, "200-299", true)]
    [InlineData(204, "200-299", true)]
    [InlineData(304, "200-299", false)]
    [InlineData(304, "200-399", true)]
    [InlineData(503, "200-299", false)]
    [InlineData(401, "200, 401", true)]
    [InlineData(402, "200,401", false)]
    public async Task The_status_says_whether_it_is_healthy(int status, string statuses, bool healthy)
    {
        await using var backend = ScriptedBackend.Start(status is 204 or 304 ? Answers.Raw($"HTTP/1.1 {status} x\r\n\r\n") : Answers.Status(status, "hello"));
        Assert.Equal(healthy ? ProbeResult.Healthy : ProbeResult.Unhealthy($"answered {status}"), await new HttpProbe("/healthz") { Statuses = statuses }.AskAsync(backend.Address));
    }

    [Fact]
    public async Task It_asks_for_what_was_set()
    {
        await using var backend = ScriptedBackend.Start();
        var probe = new HttpProbe("/healthz?deep=1") { Method = "HEAD", Headers = { ["X-Probe"] = "1", ["User-Agent"] = "mine" } };
        Assert.Equal(ProbeResult.Healthy, await probe.AskAsync(new Uri(backend.Address, "/base/"), host: "orders.example"));
        var request = await backend.WhenRequestAsync();
        Assert.Equal(
            ("HEAD", "/base/healthz?deep=1", "orders.example", "1", "mine"),
            (request.Method, request.Target, request["Host"], request["X-Probe"], request["User-Agent"]));
    }

    [Fact]
    public async Task It_says_who_asks_and_no_more()
    {
        await using var backend = ScriptedBackend.Start();
        await new HttpProbe().AskAsync(backend.Address);
        var request = await backend.WhenRequestAsync();
        Assert.Equal($"GET / HTTP/1.1\r\nHost: {backend.Address.Authority}\r\nUser-Agent: ProxyKit-Probe\r\n\r\n", request.Head);
        await new HttpProbe { Host = "set.example" }.AskAsync(backend.Address, host: "orders.example");
        Assert.Equal("set.example", (await backend.WhenRequestsAsync(2))[1]["Host"]);
    }

    [Fact]
    public async Task Another_port_and_scheme_may_be_asked()
    {
        using var port = new ClosedPort();
        await using var backend = ScriptedBackend.Start();
        Assert.Equal(ProbeResult.Healthy, await new HttpProbe { Port = backend.Address.Port, Scheme = "http" }.AskAsync(new Uri($"https://127.0.0.1:{port.Address.Port}")));
    }

    [Theory]
    [InlineData("all is well", null, null)]
    [InlineData("all is ill", null, "answered 200, its body does not contain 'well'")]
    [InlineData("well", "^w.l+$", null)]
    [InlineData("well!", "^w.l+$", "answered 200, its body does not match '^w.l+$'")]
    public async Task The_body_may_be_judged(string body, string? pattern, string? fault)
    {
        await using var backend = ScriptedBackend.Start(Answers.Ok(body));
        var result = await new HttpProbe { BodyContains = "well", BodyMatches = pattern }.AskAsync(backend.Address);
        Assert.Equal(fault is null ? ProbeResult.Healthy : ProbeResult.Unhealthy(fault), result);
    }

    [Fact]
    public async Task The_body_may_be_judged_by_code()
    {
        await using var backend = ScriptedBackend.Start(Answers.Ok("17"));
        Assert.Equal(ProbeResult.Healthy, await new HttpProbe { BodySatisfies = body => int.Parse(body, null) > 10 }.AskAsync(backend.Address));
        Assert.Equal(ProbeResult.Unhealthy("answered 200, its body is not what it should be"), await new HttpProbe { BodySatisfies = body => int.Parse(body, null) > 20 }.AskAsync(backend.Address));
        Assert.Equal(ProbeResult.Unhealthy("its probe failed: no"), await new HttpProbe { BodySatisfies = _ => throw new InvalidOperationException("no") }.AskAsync(backend.Address));
    }

    [Theory]
    [InlineData("Degraded", 200, ProbeStatus.Degraded, "it says that it is degraded")]
    [InlineData("degraded", 503, ProbeStatus.Unhealthy, "answered 503")]
    [InlineData("draining", 200, ProbeStatus.Draining, "it says that it is draining")]
    [InlineData("draining", 503, ProbeStatus.Draining, "it says that it is draining")]
    [InlineData("down", 200, ProbeStatus.Down, "it says that it is down")]
    [InlineData("active", 200, ProbeStatus.Healthy, null)]
    [InlineData("active", 503, ProbeStatus.Unhealthy, "answered 503")]
    [InlineData("nonsense", 200, ProbeStatus.Healthy, null)]
    public async Task What_it_says_of_its_state_is_heard_where_that_is_asked_for(string state, int status, ProbeStatus said, string? reason)
    {
        await using var backend = ScriptedBackend.Start(Answers.Status(status, "", $"X-State: {state}"));
        Assert.Equal(new ProbeResult(said, reason), await new HttpProbe().AskAsync(backend.Address, header: new StateHeaderOptions { Name = "X-State" }));
        Assert.Equal(status == 200 ? ProbeResult.Healthy : ProbeResult.Unhealthy("answered 503"), await new HttpProbe().AskAsync(backend.Address));
    }

    [Fact]
    public async Task A_status_may_mean_that_it_is_about_to_leave()
    {
        await using var backend = ScriptedBackend.Start(Answers.Status(404));
        Assert.Equal(ProbeResult.Draining("answered 404"), await new HttpProbe { DrainingStatuses = "404" }.AskAsync(backend.Address));
        Assert.Equal(ProbeResult.Unhealthy("answered 404"), await new HttpProbe().AskAsync(backend.Address));
    }

    [Fact]
    public async Task A_redirect_is_not_followed()
    {
        await using var other = ScriptedBackend.Start();
        await using var backend = ScriptedBackend.Start(Answers.Status(302, "", $"Location: {other.Address}"));
        Assert.Equal(ProbeResult.Unhealthy("answered 302"), await new HttpProbe().AskAsync(backend.Address));
        Assert.Empty(other.Connections);
    }

    public static TheoryData<string, string> Nonsense => new()
    {
        { "HTP/9 nonsense\r\n\r\n", "its answer is no valid HTTP" },
        { "HTTP/1.1 2OO fine\r\n\r\n", "its answer is no valid HTTP" },
        { "", "it ended the connection before its answer was whole" },
        { "HTTP/1.1 200 OK\r\nContent-", "it ended the connection before its answer was whole" },
        { "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort", "it ended the connection before its answer was whole" },
        { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", "it ended the connection before its answer was whole" },
        { $"HTTP/1.1 200 OK\r\nX-Huge: {new string('x', 100_000)}\r\n\r\n", "the head of its answer is too large" },
    };

    [Theory]
    [MemberData(nameof(Nonsense))]
    public async Task Nonsense_is_unhealthy_and_said_to_be(string answer, string reason)
    {
        await using var backend = ScriptedBackend.Start(Answers.Close(answer));
        Assert.Equal(ProbeResult.Unhealthy(reason), await new HttpProbe().AskAsync(backend.Address));
    }

    [Fact]
    public async Task Bytes_after_the_body_are_not_part_of_it()
    {
        await using var backend = ScriptedBackend.Start(Answers.Raw("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nwell and more"));
        Assert.Equal(ProbeResult.Healthy, await new HttpProbe { BodyMatches = "^well$" }.AskAsync(backend.Address));
    }

    [Fact]
    public async Task An_endless_body_is_judged_by_its_beginning()
    {
        await using var backend = ScriptedBackend.Start(Endless("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nwell\r\n", "4\r\nmore\r\n"));
        Assert.Equal(ProbeResult.Healthy, await new HttpProbe { BodyContains = "well" }.AskAsync(backend.Address));
        Assert.Equal(ProbeResult.Unhealthy("answered 200, its body does not contain 'ill'"), await new HttpProbe { BodyContains = "ill" }.AskAsync(backend.Address));
        var length = 0;
        await new HttpProbe
        {
            MaxBodyBytes = 5000,
            BodySatisfies = body =>
            {
                length = body.Length;
                return true;
            },
        }.AskAsync(backend.Address);
        Assert.Equal(5000, length);
        Assert.All(await backend.WhenConnectionsAsync(3), connection => Assert.True(connection.Ended.IsCompleted || connection.Ended.Wait(TimeSpan.FromSeconds(20), TestContext.Current.CancellationToken)));
    }

    [Fact]
    public async Task An_endless_head_is_cut_off()
    {
        await using var backend = ScriptedBackend.Start(Endless("HTTP/1.1 200 OK\r\n", "X-More: and more\r\n"));
        Assert.Equal(ProbeResult.Unhealthy("the head of its answer is too large"), await new HttpProbe().AskAsync(backend.Address));
    }

    [Fact]
    public async Task A_trickle_costs_no_more_than_the_timeout()
    {
        // The first comes in the middle of the head, the second in the middle of the body.
        foreach (var begin in (string[])["HTTP/1.1 200 OK\r\nX-Slow: ", "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"])
        {
            await using var backend = ScriptedBackend.Start(async exchange =>
            {
                await exchange.WriteAsync(begin);
                await Answers.Slowly(new string('x', 10_000), TimeSpan.FromMilliseconds(20), TimeProvider.System)(exchange);
            });
            Assert.Equal(ProbeResult.Unhealthy("no answer within 0.3 s"), await new HttpProbe().AskAsync(backend.Address, timeout: 0.3));
        }
    }

    [Fact]
    public async Task One_that_never_answers_and_one_that_cannot_be_reached_cost_no_more_than_the_timeout()
    {
        await using var silent = ScriptedBackend.Start(Answers.Never());
        Assert.Equal(ProbeResult.Unhealthy("no answer within 0.2 s"), await new HttpProbe().AskAsync(silent.Address, timeout: 0.2));
        using var closed = new ClosedPort();
        Assert.Equal(ProbeResult.Unhealthy("connection refused"), await new HttpProbe().AskAsync(closed.Address));
        Assert.SkipUnless(BlackHole.IsSupported, "Only Linux drops the SYN.");
        await using var hole = await BlackHole.StartAsync();
        Assert.Equal(ProbeResult.Unhealthy("no answer within 0.2 s"), await new HttpProbe().AskAsync(hole.Address, timeout: 0.2));
    }

    [Fact]
    public async Task Connections_are_kept_from_one_probe_to_the_next()
    {
        await using var backend = ScriptedBackend.Start(Answers.Ok("hello"));
        using var pool = new Pool("p", [new Destination("a", backend.Address)], PoolSettings.Default.WithProbe(
            new HttpProbe(), new ProbeOptions { Interval = TimeSpan.FromMilliseconds(20), FastInterval = TimeSpan.FromMilliseconds(20) }));
        await using var prober = Prober.Start(pool);
        await backend.WhenRequestsAsync(10);
        Assert.Single(backend.Connections);
    }

    [Theory]
    [InlineData(HttpProtocols.Http1, HttpProbeProtocol.Auto, "HTTP/1.1")]
    [InlineData(HttpProtocols.Http2, HttpProbeProtocol.Http2, "HTTP/2")]
    public async Task Both_versions_are_spoken_in_the_clear(HttpProtocols server, HttpProbeProtocol probe, string spoken)
    {
        await using var backend = await KestrelBackend.StartAsync(Tell, server);
        Assert.Equal(ProbeResult.Healthy, await new HttpProbe { Protocol = probe, BodyContains = spoken }.AskAsync(backend.Address));
    }

    [Theory]
    [InlineData(HttpProbeProtocol.Auto, "HTTP/2"), InlineData(HttpProbeProtocol.Http1, "HTTP/1.1"), InlineData(HttpProbeProtocol.Http2, "HTTP/2")]
    public async Task Over_TLS_the_version_is_negotiated_and_certificates_are_checked(HttpProbeProtocol protocol, string spoken)
    {
        using var certificate = SelfMade.Expiring(DateTimeOffset.UnixEpoch.AddYears(100));
        await using var backend = await KestrelBackend.StartAsync(Tell, HttpProtocols.Http1AndHttp2, certificate);
        Assert.Equal(ProbeResult.Healthy, await new HttpProbe { Protocol = protocol, BodyContains = spoken, DangerousAcceptAnyCertificate = true }.AskAsync(backend.Address));
        Assert.StartsWith("the TLS handshake failed: ", (await new HttpProbe { Protocol = protocol }.AskAsync(backend.Address)).Reason, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_connection_of_HTTP2_that_went_silent_is_given_up()
    {
        await using var backend = ScriptedBackend.StartRaw(async connection =>
        {
            await connection.WriteAsync("\0\0\0\u0004\0\0\0\0\0"); // SETTINGS, and then nothing ever
            await connection.WhenClientLeavesAsync();
        });
        var options = new ProbeOptions { Interval = TimeSpan.FromSeconds(0.1), Timeout = TimeSpan.FromSeconds(1.3), DownInterval = TimeSpan.FromSeconds(0.1) };
        using var pool = new Pool("p", [new Destination("a", backend.Address)], PoolSettings.Default.WithProbe(new HttpProbe { Protocol = HttpProbeProtocol.Http2 }, options));
        await using var prober = Prober.Start(pool);
        await backend.WhenConnectionsAsync(2);
    }

    [Fact]
    public async Task What_speaks_no_HTTP2_is_unhealthy_where_that_is_asked_for()
    {
        await using var backend = await KestrelBackend.StartAsync(Tell, HttpProtocols.Http1);
        Assert.Equal(ProbeStatus.Unhealthy, (await new HttpProbe { Protocol = HttpProbeProtocol.Http2 }.AskAsync(backend.Address)).Status);
    }

    [Fact]
    public void All_faults_are_told_at_once()
    {
        var probe = new HttpProbe("healthz")
        {
            Method = "G T",
            Headers = { ["Host"] = "a", ["X-Bad"] = "a\r\nb", ["Content-Type"] = "text/plain" },
            Statuses = "200-",
            DrainingStatuses = "100",
            BodyMatches = "(?<=a)b",
            MaxBodyBytes = 0,
            Protocol = (HttpProbeProtocol)7,
            Port = 70000,
            Scheme = "ftp",
        };
        string[] parts = ["Path is 'healthz'", "Method is 'G T'", "set Host instead", "'X-Bad: ", "'Content-Type: ", "Statuses is '200-'", "DrainingStatuses is '100'", "BodyMatches is '(?<=a)b'", "MaxBodyBytes is 0", "Protocol is 7", "Port is 70000", "Scheme is 'ftp'"];
        Assert.Equal(parts.Length, probe.Faults().Count());
        Assert.All(parts, part => Assert.Contains(probe.Faults(), fault => fault.Contains(part, StringComparison.Ordinal)));
        Assert.Empty(new HttpProbe().Faults());
        Assert.Throws<ArgumentException>(() => PoolSettings.Default.WithProbe(probe));
        Assert.Throws<ArgumentException>(() => PoolSettings.Default.WithProbe(new HttpProbe(), new ProbeOptions { Fall = 0 }));
    }

    [Fact]
    public void What_changes_later_changes_nothing()
    {
        var probe = new HttpProbe("/healthz") { Headers = { ["X-A"] = "1" } };
        var copy = probe.Copy();
        probe.Path = "/other";
        probe.Headers["X-A"] = "2";
        Assert.Equal(("/healthz", "1"), (copy.Path, copy.Headers["x-a"]));
    }

    private static void Tell(WebApplication app) => app.MapGet("/", (HttpRequest request) => request.Protocol);

    private static BackendAnswer Endless(string first, string again) => async exchange =>
    {
        await exchange.WriteAsync(first);
        while (true)
        {
            await exchange.WriteAsync(again);
        }
    };
}
