using CsCheck;

using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Http;

namespace ProxyKit.Forwarding.Tests;

public sealed class BodySourceTests
{
    private static readonly TimeoutOptions Timeouts = new();

    [Fact]
    public async Task Whatever_breaks_where_each_attempt_gets_the_body_from_its_first_byte_or_none_at_all()
    {
        var runs = Gen.Select(Gen.Int[1, 9].Array[0, 8], Gen.Int[0, 30], Gen.Int[0, 40].Array[0, 3], Gen.Bool);
        await runs.SampleAsync(async run =>
        {
            var (sizes, keep, breaks, readFirst) = run;
            var client = new ClientBody();
            var text = "";
            foreach (var size in sizes)
            {
                var piece = string.Concat(Enumerable.Range(0, size).Select(i => (char)('a' + ((text.Length + i) % 26))));
                text += piece;
                await client.SendAsync(piece);
            }

            client.End();
            using var body = new BodySource(client.Context, keep);
            if (readFirst)
            {
                Assert.Equal(text.Length <= keep, await body.TryReadAllAsync(CancellationToken.None));
            }

            foreach (var at in breaks)
            {
                if (!body.CanReplay)
                {
                    break;
                }

                var broken = new Sink { BreakAfter = at };
                var sent = await SendAsync(body, broken);
                Assert.StartsWith(broken.Text, text, StringComparison.Ordinal);
                Assert.Equal(sent, broken.Text == text);
                await body.StopAsync();
            }

            if (body.CanReplay)
            {
                var last = new Sink();
                Assert.True(await SendAsync(body, last));
                Assert.Equal(text, last.Text);
                Assert.Equal(body.Whole is { } whole ? text : null, body.Whole is { } kept ? System.Text.Encoding.Latin1.GetString(kept.Span) : null);
            }
            else
            {
                Assert.True(text.Length > keep);
                var last = new Sink();
                Assert.False(await SendAsync(body, last));
                Assert.Equal("", last.Text);
            }
        });
    }

    [Fact]
    public async Task What_did_not_fit_when_it_was_read_ahead_is_sent_without_waiting_for_more()
    {
        var client = new ClientBody();
        await client.SendAsync("abcdef");
        using var body = new BodySource(client.Context, keep: 3);
        Assert.False(await body.TryReadAllAsync(CancellationToken.None));
        var sink = new Sink();
        var copying = body.CopyToAsync(sink, NewDeadline(), Timeouts, CancellationToken.None);
        Assert.Equal("abcdef", sink.Text); // the client may wait for an answer to it before it sends on
        client.End();
        await copying;
    }

    [Fact]
    public async Task A_copy_that_is_stopped_leaves_the_rest_to_the_next()
    {
        var client = new ClientBody();
        await client.SendAsync("abc");
        using var body = new BodySource(client.Context, keep: 100);
        var first = body.CopyToAsync(new Sink(), NewDeadline(), Timeouts, CancellationToken.None);
        Assert.False(body.IsIdle);
        await body.StopAsync();
        Assert.True(body.IsIdle);
        await Assert.ThrowsAsync<OperationCanceledException>(() => first);

        await client.SendAsync("def");
        client.End();
        var sink = new Sink();
        Assert.True(await SendAsync(body, sink));
        Assert.Equal("abcdef", sink.Text);
        Assert.Null(body.ClientFault);
    }

    [Fact]
    public async Task A_wish_to_stop_that_met_no_read_does_not_end_the_next_copy()
    {
        var client = new ClientBody();
        await client.SendAsync("abc");
        client.End();
        using var body = new BodySource(client.Context, keep: 100);
        var gate = new TaskCompletionSource();
        var first = body.CopyToAsync(new Sink { Gate = gate.Task, BreakAfter = 0 }, NewDeadline(), Timeouts, CancellationToken.None);
        var stopping = body.StopAsync(); // while it writes
        gate.SetResult();
        await stopping;
        await Assert.ThrowsAsync<IOException>(() => first);

        var sink = new Sink();
        Assert.True(await SendAsync(body, sink));
        Assert.Equal("abc", sink.Text);
    }

    [Fact]
    public async Task A_second_copy_waits_until_the_first_is_over()
    {
        // The handler sends again by itself, and the copy to the connection that broke may not have noticed.
        var client = new ClientBody();
        await client.SendAsync("abc");
        client.End();
        using var body = new BodySource(client.Context, keep: 100);
        var gate = new TaskCompletionSource();
        var first = body.CopyToAsync(new Sink { Gate = gate.Task, BreakAfter = 0 }, NewDeadline(), Timeouts, CancellationToken.None);
        var sink = new Sink();
        var second = body.CopyToAsync(sink, NewDeadline(), Timeouts, CancellationToken.None);
        Assert.Equal("", sink.Text);
        gate.SetResult();
        await second;
        Assert.Equal("abc", sink.Text);
        await Assert.ThrowsAsync<IOException>(() => first);
    }

    [Fact]
    public async Task A_stream_that_is_reset_while_the_client_pauses_ends_no_copy_and_leaves_the_body_readable()
    {
        // The handler cancels the copy with the stream. A copy that ended by it was taken for the reason, so that nobody knew whether the destination
        // had refused the stream; and Kestrel lets nobody read after a read that a token has ended.
        var client = new ClientBody();
        await client.SendAsync("abc");
        using var body = new BodySource(client.Context, keep: 100);
        using var reset = new CancellationTokenSource();
        var first = body.CopyToAsync(new Sink(), NewDeadline(), Timeouts, reset.Token);
        await reset.CancelAsync();
        Assert.False(first.IsCompleted);
        var sink = new Sink();
        var second = body.CopyToAsync(sink, NewDeadline(), Timeouts, CancellationToken.None);
        await Assert.ThrowsAsync<OperationCanceledException>(() => first);
        await client.SendAsync("def");
        client.End();
        await second;
        Assert.Equal("abcdef", sink.Text);
        Assert.False(client.WasGivenToken);
    }

    [Fact]
    public async Task A_deadline_ends_a_copy_that_waits_for_the_client()
    {
        var client = new ClientBody();
        using var body = new BodySource(client.Context, keep: 100);
        var deadline = NewDeadline();
        var copy = body.CopyToAsync(new Sink(), deadline, Timeouts, CancellationToken.None);
        deadline.Cancel();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => copy);
        Assert.False(client.WasGivenToken);
    }

    [Theory]
    [InlineData(400)]
    [InlineData(408)]
    [InlineData(413)]
    public async Task What_the_server_refuses_of_a_body_is_the_clients_fault_and_stays_it(int status)
    {
        var client = new ClientBody();
        client.End(new BadHttpRequestException("no", status));
        using var body = new BodySource(client.Context, keep: 100);
        await Assert.ThrowsAsync<BadHttpRequestException>(() => body.TryReadAllAsync(CancellationToken.None).AsTask());
        Assert.Equal(status, Assert.IsType<BadHttpRequestException>(body.ClientFault).StatusCode);
        await Assert.ThrowsAsync<BadHttpRequestException>(() => body.CopyToAsync(new Sink(), NewDeadline(), Timeouts, CancellationToken.None));
    }

    [Fact]
    public async Task A_broken_client_is_at_fault_and_a_broken_destination_is_not()
    {
        var client = new ClientBody();
        client.End(new ConnectionAbortedException());
        using var broken = new BodySource(client.Context, keep: 100);
        Assert.False(await SendAsync(broken, new Sink()));
        Assert.IsType<ConnectionAbortedException>(broken.ClientFault);

        var other = new ClientBody();
        await other.SendAsync("abc");
        using var sound = new BodySource(other.Context, keep: 100);
        Assert.False(await SendAsync(sound, new Sink { BreakAfter = 0 }));
        Assert.Null(sound.ClientFault);
    }

    [Fact]
    public async Task A_client_that_stands_still_meets_its_limit_and_one_that_is_answered_does_not()
    {
        var time = new Microsoft.Extensions.Time.Testing.FakeTimeProvider();
        var source = new Deadline.Source(time);
        foreach (var answered in (bool[])[false, true])
        {
            var deadline = source.Create();
            deadline.Begin(Deadline.Never, CancellationToken.None);
            var client = new ClientBody();
            using var body = new BodySource(client.Context, keep: 100);
            var copying = body.CopyToAsync(new Sink(), deadline, new TimeoutOptions { ReadIdle = TimeSpan.FromMinutes(5) }, deadline.Token);
            if (answered)
            {
                body.MarkAnswered();
                await client.SendAsync("a"); // it sends on, which gives the answer its limit anew
            }

            time.Advance(TimeSpan.FromSeconds(61));
            Assert.Equal(answered ? TimeoutKind.None : TimeoutKind.RequestBody, deadline.Reached);
            await body.StopAsync();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => copying);
            Assert.Null(body.ClientFault);
        }
    }

    // A bug: whoever cancelled got the client's fault thrown at it, and the server logged that as its application's.
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_body_that_has_just_broken_can_be_given_up_and_tells_its_own_fault(bool byToken)
    {
        var client = new ClientBody();
        using var body = new BodySource(client.Context, keep: 100);
        var deadline = NewDeadline();
        var gate = new TaskCompletionSource();
        var copying = body.CopyToAsync(byToken ? new Sink() : new Sink { Gate = gate.Task, BreakAfter = 0 }, deadline, Timeouts, deadline.Token);
        client.Broken = new IOException("More than was declared.");
        if (byToken)
        {
            deadline.Cancel();
        }
        else
        {
            gate.SetResult(); // the destination breaks while the read waits
        }

        client.End(client.Broken);
        Assert.Same(client.Broken, await Assert.ThrowsAsync<IOException>(() => copying));
        Assert.Same(client.Broken, body.ClientFault);
    }

    private static async Task<bool> SendAsync(BodySource body, Stream sink)
    {
        try
        {
            await body.CopyToAsync(sink, NewDeadline(), Timeouts, CancellationToken.None);
            return true;
        }
        catch (Exception end) when (end is IOException or OperationCanceledException)
        {
            return false;
        }
    }

    private static Deadline NewDeadline()
    {
        var deadline = new Deadline.Source(TimeProvider.System).Create();
        deadline.Begin(Deadline.Never, CancellationToken.None);
        return deadline;
    }
}
