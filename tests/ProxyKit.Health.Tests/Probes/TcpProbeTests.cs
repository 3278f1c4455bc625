using ProxyKit.Testing;

namespace ProxyKit.Health.Tests.Probes;

public sealed class TcpProbeTests
{
    [Fact]
    public async Task One_that_accepts_is_healthy()
    {
        await using var backend = ScriptedBackend.Start();
        Assert.Equal(ProbeResult.Healthy, await new TcpProbe().AskAsync(backend.Address));
        Assert.Single(await backend.WhenConnectionsAsync(1));
    }

    [Fact]
    public async Task One_that_refuses_is_not()
    {
        using var port = new ClosedPort();
        Assert.Equal(ProbeResult.Unhealthy("connection refused"), await new TcpProbe().AskAsync(port.Address));
    }

    [Fact]
    public async Task A_black_hole_costs_no_more_than_the_timeout()
    {
        Assert.SkipUnless(BlackHole.IsSupported, "Only Linux drops the SYN.");
        await using var hole = await BlackHole.StartAsync();
        Assert.Equal(ProbeResult.Unhealthy("no answer within 0.2 s"), await new TcpProbe().AskAsync(hole.Address, timeout: 0.2));
    }

    [Fact]
    public async Task Another_port_may_be_asked()
    {
        using var port = new ClosedPort();
        await using var backend = ScriptedBackend.Start();
        Assert.Equal(ProbeResult.Healthy, await new TcpProbe { Port = backend.Address.Port }.AskAsync(port.Address));
        Assert.Equal(ProbeResult.Unhealthy("its address has no port"), await new TcpProbe().AskAsync(new Uri("tcp://127.0.0.1")));
    }

    [Theory]
    [InlineData("+PO", "NG\r\n", null)] // in two pieces
    [InlineData("", "junk +PONG", null)]
    [InlineData("-LOADING", "\r\n", "its answer does not contain '+PONG'")]
    public async Task What_it_answers_may_be_judged(string first, string then, string? fault)
    {
        await using var backend = ScriptedBackend.StartRaw(async connection =>
        {
            var heard = new byte[6];
            Assert.Equal(6, await connection.ReadAsync(heard));
            Assert.Equal("PING\r\n"u8.ToArray(), heard);
            await connection.WriteAsync(first);
            await connection.WriteAsync(then);
            await connection.CloseAsync();
        });
        var result = await new TcpProbe { Send = "PING\r\n", Expect = "+PONG" }.AskAsync(backend.Address);
        Assert.Equal(fault is null ? ProbeResult.Healthy : ProbeResult.Unhealthy(fault), result);
        Assert.Empty(backend.Faults);
    }

    [Fact]
    public async Task An_endless_answer_without_what_is_expected_ends()
    {
        await using var backend = ScriptedBackend.StartRaw(async connection =>
        {
            while (true)
            {
                await connection.WriteAsync(new string('x', 10_000));
            }
        });
        Assert.Equal(ProbeResult.Unhealthy("its answer does not contain 'y'"), await new TcpProbe { Expect = "y" }.AskAsync(backend.Address));
    }

    [Fact]
    public async Task One_that_says_nothing_where_something_is_expected_costs_no_more_than_the_timeout()
    {
        await using var backend = ScriptedBackend.StartRaw(connection => connection.WhenClientLeavesAsync());
        Assert.Equal(ProbeResult.Unhealthy("no answer within 0.2 s"), await new TcpProbe { Expect = "y" }.AskAsync(backend.Address, timeout: 0.2));
    }
}
