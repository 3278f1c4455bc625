using CsCheck;

namespace ProxyKit.Forwarding.Tests;

public sealed class TunnelTests
{
    private static readonly byte[] Hello = Frames.Frame(Frames.Text, 5, masked: true);
    private static readonly byte[] Welcome = Frames.Frame(Frames.Text, 7);
    private static readonly byte[] AwayToClient = [0x88, 0x02, 0x03, 0xE9];

    // As the two ends answer a Close, and as they begin one.
    private static readonly byte[] ClientsClose = [0x88, 0x82, 1, 2, 3, 4, 0x03 ^ 1, 0xE8 ^ 2];
    private static readonly byte[] ServersClose = [0x88, 0x02, 0x03, 0xE8];

    [Fact]
    public async Task Bytes_go_both_ways_until_both_have_ended()
    {
        using var run = new TunnelRun(canEnd: true);
        await run.Client.SendAsync(Hello);
        Assert.Equal(Hello, await run.Destination.ReadAsync(Hello.Length));
        await run.Destination.SendAsync(Welcome);
        Assert.Equal(Welcome, await run.Client.ReadAsync(Welcome.Length));
        run.Client.EndSending();
        run.Destination.EndSending();
        Assert.True(await EndAsync(run));
    }

    [Fact]
    public async Task One_that_leaves_tells_both_sides_1001_and_waits_for_their_answers()
    {
        using var run = new TunnelRun();
        await run.Client.SendAsync(Hello);
        await run.Destination.ReadAsync(Hello.Length);
        run.Leave();
        Assert.Equal(AwayToClient, await run.Client.ReadAsync(4));
        await AssertAwayAsync(run.Destination);
        Assert.False(run.Ended.IsCompleted);
        await run.Client.SendAsync(ClientsClose);
        await run.Destination.SendAsync(ServersClose);
        Assert.True(await EndAsync(run));
        Assert.Empty(run.Client.Rest());
        Assert.Empty(run.Destination.Rest());
    }

    [Fact]
    public async Task Whatever_passed_before_it_left_what_follows_is_the_end_of_that_frame_and_then_1001() =>
        await Gen.Select(Frames.Any, Gen.Int[0, 140_000], Gen.Bool).SampleAsync(
            async (frames, cut, up) =>
            {
                using var run = new TunnelRun();
                var bytes = frames.SelectMany(frame => frame).ToArray();
                cut = Math.Min(cut, bytes.Length);
                var end = frames.Select((_, i) => frames.Take(i + 1).Sum(frame => frame.Length)).Prepend(0).First(end => end >= cut);
                var (from, to) = up ? (run.Client, run.Destination) : (run.Destination, run.Client);
                if (cut > 0)
                {
                    await from.SendAsync(bytes[..cut]);
                    Assert.Equal(bytes[..cut], await to.ReadAsync(cut));
                }

                run.Leave();
                if (cut < bytes.Length)
                {
                    await from.SendAsync(bytes[cut..]);
                }

                if (end > cut)
                {
                    Assert.Equal(bytes[cut..end], await to.ReadAsync(end - cut));
                }

                await (up ? AssertAwayAsync(to) : AssertAwayFromServerAsync(to));
                await run.Client.SendAsync(ClientsClose);
                await run.Destination.SendAsync(ServersClose);
                Assert.True(await EndAsync(run));
                Assert.Empty(to.Rest());
            },
            iter: 100);

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_frame_that_does_not_end_is_cut_and_hides_nothing(bool up)
    {
        using var run = new TunnelRun();
        await (up ? run.Client : run.Destination).SendAsync([0x82, 0x05, 1]);
        await (up ? run.Destination : run.Client).ReadAsync(3);
        run.Leave();
        await (up ? AssertAwayFromServerAsync(run.Client) : AssertAwayAsync(run.Destination));
        run.Time.Advance(TimeSpan.FromSeconds(1));
        Assert.False(run.Ended.IsCompleted);
        run.Time.Advance(TimeSpan.FromSeconds(2));
        Assert.Equal(up, await EndAsync(run)); // the client has a proper end where it is not the one in the middle of a frame
        Assert.Empty((up ? run.Destination : run.Client).Rest());
    }

    [Fact]
    public async Task Answers_that_do_not_come_are_not_waited_for_long()
    {
        using var run = new TunnelRun();
        run.Leave();
        await AssertAwayFromServerAsync(run.Client);
        await AssertAwayAsync(run.Destination);
        await run.Client.SendAsync(ClientsClose);
        await run.Destination.SendAsync(Welcome); // it is not listening; nothing may follow a Close
        run.Time.Advance(TimeSpan.FromSeconds(5));
        Assert.True(await EndAsync(run));
        Assert.Empty(run.Client.Rest());
    }

    [Fact]
    public async Task Sides_that_are_closing_already_are_not_interrupted()
    {
        using var run = new TunnelRun();
        await run.Client.SendAsync(ClientsClose);
        Assert.Equal(ClientsClose, await run.Destination.ReadAsync(ClientsClose.Length));
        run.Leave();
        await run.Destination.SendAsync(ServersClose);
        Assert.Equal(ServersClose, await run.Client.ReadAsync(ServersClose.Length));
        run.Destination.EndSending();
        run.Client.EndSending();
        Assert.True(await EndAsync(run));
        Assert.Empty(run.Client.Rest());
        Assert.Empty(run.Destination.Rest());
    }

    [Fact]
    public async Task A_Close_that_was_under_way_as_it_left_is_the_last_thing_to_pass()
    {
        using var run = new TunnelRun();
        await run.Destination.SendAsync(ServersClose[..3]);
        await run.Client.ReadAsync(3);
        run.Leave();
        await AssertAwayAsync(run.Destination);
        await run.Destination.SendAsync(ServersClose[3..]);
        Assert.Equal(ServersClose[3..], await run.Client.ReadAsync(1));
        await run.Client.SendAsync(ClientsClose);
        Assert.True(await EndAsync(run));
        Assert.Empty(run.Client.Rest()); // 1000, and no second Close
    }

    [Fact]
    public async Task What_is_no_WebSocket_is_just_ended()
    {
        using var run = new TunnelRun(isWebSocket: false);
        run.Leave();
        await EndAsync(run);
        Assert.Empty(run.Client.Rest());
        Assert.Empty(run.Destination.Rest());
    }

    [Fact]
    public async Task A_side_that_has_ended_is_told_to_the_other_which_goes_on_for_as_long_as_something_moves()
    {
        using var run = new TunnelRun(isWebSocket: false, canEnd: true, idle: TimeSpan.FromMinutes(1));
        await run.Client.SendAsync([1, 2, 3]);
        run.Client.EndSending();
        Assert.Equal([1, 2, 3], await run.Destination.ReadAsync(3));
        await EngineRun.UntilAsync(() => run.Destination.IsTold);
        for (var i = 0; i < 5; i++)
        {
            run.Time.Advance(TimeSpan.FromSeconds(50));
            await run.Destination.SendAsync([4]);
            Assert.Equal([4], await run.Client.ReadAsync(1));
        }

        run.Destination.EndSending();
        Assert.True(await EndAsync(run));
        Assert.False(run.IsCut);
    }

    [Fact]
    public async Task A_WebSocket_of_which_one_side_has_ended_has_a_few_seconds_left()
    {
        using var run = new TunnelRun(canEnd: true);
        run.Client.EndSending();
        await EngineRun.UntilAsync(() => run.Destination.IsTold);
        await run.Destination.SendAsync(ServersClose);
        Assert.Equal(ServersClose, await run.Client.ReadAsync(4));
        Assert.False(run.Ended.IsCompleted);
        run.Time.Advance(TimeSpan.FromSeconds(6));
        Assert.True(await EndAsync(run));
    }

    [Fact]
    public async Task A_client_that_cannot_be_told_is_let_go_unless_it_owes_a_Close()
    {
        using var gone = new TunnelRun();
        gone.Destination.EndSending();
        Assert.True(await EndAsync(gone));

        using var owed = new TunnelRun();
        await owed.Destination.SendAsync(ServersClose);
        owed.Destination.EndSending();
        await owed.Client.ReadAsync(4);
        await owed.Client.SendAsync(ClientsClose);
        Assert.Equal(ClientsClose, await owed.Destination.ReadAsync(ClientsClose.Length));
        owed.Client.EndSending();
        Assert.True(await EndAsync(owed));
    }

    [Fact]
    public async Task A_side_that_breaks_ends_the_other_at_once()
    {
        using var run = new TunnelRun(canEnd: true);
        run.Destination.EndSending(new IOException("reset"));
        Assert.True(await EndAsync(run));
        Assert.False(run.Client.IsTold);
    }

    [Fact]
    public async Task A_read_that_the_server_wakes_because_it_stops_goes_on()
    {
        using var run = new TunnelRun(disturbance: new OperationCanceledException());
        await run.Client.SendAsync(Hello);
        Assert.Equal(Hello, await run.Destination.ReadAsync(Hello.Length));
    }

    [Fact]
    public async Task Nothing_that_moves_for_too_long_ends_it()
    {
        using var run = new TunnelRun(idle: TimeSpan.FromSeconds(30));
        run.Time.Advance(TimeSpan.FromSeconds(20));
        await run.Client.SendAsync(Hello);
        await run.Destination.ReadAsync(Hello.Length);
        run.Time.Advance(TimeSpan.FromSeconds(20));
        Assert.False(run.IsCut);
        run.Time.Advance(TimeSpan.FromSeconds(11));
        Assert.True(await EndAsync(run));
    }

    private static Task<bool> EndAsync(TunnelRun run) => run.Ended.WaitAsync(TimeSpan.FromSeconds(20));

    private static async Task AssertAwayFromServerAsync(TunnelRun.End client) => Assert.Equal(AwayToClient, await client.ReadAsync(4));

    private static async Task AssertAwayAsync(TunnelRun.End server)
    {
        var frame = await server.ReadAsync(8);
        Assert.Equal([0x88, 0x82], frame[..2]);
        Assert.Equal([0x03, 0xE9], [(byte)(frame[6] ^ frame[2]), (byte)(frame[7] ^ frame[3])]);
    }
}
