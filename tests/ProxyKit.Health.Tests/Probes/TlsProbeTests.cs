using ProxyKit.Testing;

namespace ProxyKit.Health.Tests.Probes;

public sealed class TlsProbeTests
{
    private static readonly DateTimeOffset Late = DateTimeOffset.UnixEpoch.AddYears(100);

    [Fact]
    public async Task A_certificate_that_nobody_vouches_for_is_refused_and_accepted_only_by_name()
    {
        using var certificate = SelfMade.Expiring(Late);
        await using var server = new TlsServer(certificate);
        var refused = await new TlsProbe().AskAsync(server.Address);
        Assert.Equal(ProbeStatus.Unhealthy, refused.Status);
        Assert.StartsWith("the TLS handshake failed: ", refused.Reason, StringComparison.Ordinal);
        Assert.Equal(ProbeResult.Healthy, await new TlsProbe { DangerousAcceptAnyCertificate = true }.AskAsync(server.Address));
    }

    [Theory]
    [InlineData(null, null, "")] // an address is no name
    [InlineData(null, "orders.example:8443", "orders.example")]
    [InlineData("other.example", "orders.example:8443", "other.example")]
    public async Task The_name_asked_for_is_its_own_or_the_one_set(string? name, string? host, string asked)
    {
        using var certificate = SelfMade.Expiring(Late);
        await using var server = new TlsServer(certificate);
        await new TlsProbe { ServerName = name, DangerousAcceptAnyCertificate = true }.AskAsync(server.Address, host: host);
        await Eventually.TrueAsync(() => server.Names.Count > 0);
        Assert.Equal(asked, server.Names[0]);
    }

    [Theory]
    [InlineData(20, 0, 0, null, null)]
    [InlineData(20, 14, 3, null, null)]
    [InlineData(10, 14, 3, ProbeStatus.Degraded, "its certificate expires on ")]
    [InlineData(2, 14, 3, ProbeStatus.Unhealthy, "its certificate expires on ")]
    [InlineData(-1, 0, 0, ProbeStatus.Unhealthy, "its certificate expired on ")]
    public async Task A_certificate_about_to_expire_is_told_of_in_time(int days, int degraded, int unhealthy, ProbeStatus? status, string? reason)
    {
        var expires = TimeProvider.System.GetUtcNow().AddDays(days).AddHours(1);
        using var certificate = SelfMade.Expiring(expires);
        await using var server = new TlsServer(certificate);
        var probe = new TlsProbe { DegradedBefore = TimeSpan.FromDays(degraded), UnhealthyBefore = TimeSpan.FromDays(unhealthy), DangerousAcceptAnyCertificate = true };
        Assert.Empty(probe.Faults());
        var result = await probe.AskAsync(server.Address);
        Assert.Equal(status is { } told ? new ProbeResult(told, $"{reason}{expires.UtcDateTime:yyyy-MM-dd}") : ProbeResult.Healthy, result);
    }

    [Fact]
    public async Task What_speaks_no_TLS_is_unhealthy_and_what_says_nothing_costs_no_more_than_the_timeout()
    {
        await using var plain = ScriptedBackend.StartRaw(async connection =>
        {
            await connection.WriteAsync("HTTP/1.1 400 Bad Request\r\n\r\n");
            await connection.CloseAsync();
        });
        var result = await new TlsProbe().AskAsync(plain.Address);
        Assert.Equal(ProbeStatus.Unhealthy, result.Status);
        Assert.StartsWith("the TLS handshake failed: ", result.Reason, StringComparison.Ordinal);
        await using var silent = ScriptedBackend.StartRaw(connection => connection.WhenClientLeavesAsync());
        Assert.Equal(ProbeResult.Unhealthy("no answer within 0.2 s"), await new TlsProbe().AskAsync(silent.Address, timeout: 0.2));
        using var closed = new ClosedPort();
        Assert.Equal(ProbeResult.Unhealthy("connection refused"), await new TlsProbe().AskAsync(closed.Address));
    }
}
