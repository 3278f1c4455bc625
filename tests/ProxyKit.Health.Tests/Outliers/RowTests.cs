namespace ProxyKit.Health.Tests.Outliers;

// Failures in a row.
public class RowTests
{
    public static TheoryData<OutcomeKind, int?, int, string> Failures => new()
    {
        { OutcomeKind.NotConnected, null, 3, "3 failed connections in a row; out for 5 s" },
        { OutcomeKind.Answered, 502, 5, "5 gateway errors in a row; out for 5 s" },
        { OutcomeKind.Answered, 503, 5, "5 gateway errors in a row; out for 5 s" },
        { OutcomeKind.Answered, 504, 5, "5 gateway errors in a row; out for 5 s" },
        { OutcomeKind.TimedOut, null, 5, "5 gateway errors in a row; out for 5 s" },
        { OutcomeKind.Broken, null, 5, "5 gateway errors in a row; out for 5 s" },
        { OutcomeKind.Answered, 500, 5, "5 server errors in a row; out for 5 s" },
        { OutcomeKind.Answered, 599, 5, "5 server errors in a row; out for 5 s" },
    };

    [Theory]
    [MemberData(nameof(Failures))]
    public void The_last_failure_of_the_row_takes_it_out_before_the_next_pick(OutcomeKind kind, int? status, int row, string reason)
    {
        using var watched = new Watched(Watched.Plain, "a", "b");
        watched.End("a", kind, status, times: row - 1);
        Assert.Equal(MemberStanding.Active, watched.Standing("a"));
        watched.End("a", kind, status);
        Assert.Equal(MemberStanding.Down, watched.Standing("a"));
        Assert.Equal(reason, watched.Reason("a"));
        for (var i = 0; i < 20; i++)
        {
            Assert.Equal(PickStatus.Picked, watched.Pool.TryPick(out var lease));
            Assert.Equal("b", lease.Member.Destination.Name);
            lease.Dispose();
        }
    }

    [Theory]
    [MemberData(nameof(Failures))]
    public void One_less_and_then_a_success_takes_nobody_out(OutcomeKind kind, int? status, int row, string reason)
    {
        _ = reason;
        using var watched = new Watched(Watched.Plain, "a", "b");
        for (var round = 0; round < 4; round++)
        {
            watched.End("a", kind, status, times: row - 1);
            watched.End("a", status: 404);
        }

        Assert.Equal(0, watched.Out);
    }

    [Theory]
    [InlineData(OutcomeKind.NotConnected, null)]
    [InlineData(OutcomeKind.Answered, 502)]
    [InlineData(OutcomeKind.TimedOut, null)]
    [InlineData(OutcomeKind.Answered, 500)]
    public void A_row_of_0_counts_none(OutcomeKind kind, int? status)
    {
        using var watched = new Watched(Watched.Plain with { ConsecutiveConnectFailures = 0, ConsecutiveGatewayErrors = 0, ConsecutiveServerErrors = 0 }, "a", "b");
        watched.End("a", kind, status, times: 50);
        Assert.Equal(0, watched.Out);
    }

    [Fact]
    public void Connections_gateway_errors_and_server_errors_are_counted_apart()
    {
        using var watched = new Watched(Watched.Plain, "a", "b");
        watched.End("a", OutcomeKind.NotConnected, times: 2);
        watched.End("a", OutcomeKind.TimedOut, times: 4); // it connected, so that row is over
        watched.End("a", OutcomeKind.NotConnected, times: 2);
        watched.End("a", status: 500, times: 4);
        Assert.Equal(0, watched.Out);
        watched.End("a", status: 502); // the fifth of both; a timeout is no answer
        Assert.Equal("5 gateway errors in a row; out for 5 s", watched.Reason("a"));
    }

    [Theory]
    [InlineData(OutcomeKind.Abandoned, null)]
    [InlineData(OutcomeKind.Answered, 200)]
    [InlineData(OutcomeKind.Answered, 400)]
    [InlineData(OutcomeKind.Answered, 404)]
    [InlineData(OutcomeKind.Answered, 429)]
    [InlineData(OutcomeKind.Answered, 499)]
    public void Clients_that_leave_and_4xx_never_count(OutcomeKind kind, int? status)
    {
        using var watched = new Watched(new OutlierOptions(), "a", "b");
        watched.End("a", kind, status, times: 200);
        watched.End("b", times: 200);
        watched.Pass(60);
        Assert.Equal(0, watched.Out);
    }

    [Fact]
    public void One_that_asks_to_be_left_alone_is_no_outlier_and_neither_ends_a_row_nor_adds_to_it()
    {
        using var watched = new Watched(Watched.Plain, "a", "b");
        watched.End("a", status: 502, times: 4);
        var leases = Enumerable.Range(0, 50).Select(_ => watched.Pick("a")).ToList();
        leases.ForEach(lease => lease.Report(OutcomeKind.Answered, 503, TimeSpan.FromSeconds(2)));
        Assert.Equal(["retry-after"], watched.Member("a").Beliefs.Select(belief => belief.Source));
        leases.ForEach(lease => lease.Dispose());
        watched.Pass(3);
        watched.End("a", status: 502);
        Assert.Equal(["outliers"], watched.Member("a").Beliefs.Select(belief => belief.Source));
    }

    [Fact]
    public void Bodies_that_break_count_on_though_each_began_well()
    {
        using var watched = new Watched(Watched.Plain, "a", "b");
        for (var i = 0; i < 5; i++)
        {
            Assert.Equal(0, watched.Out);
            using var lease = watched.Pick("a");
            lease.Report(OutcomeKind.Answered, 200);
            lease.Report(OutcomeKind.BodyBroken);
        }

        Assert.Equal("5 gateway errors in a row; out for 5 s", watched.Reason("a"));
    }

    [Fact]
    public void A_body_that_breaks_among_others_that_do_not_ends_no_row_of_them()
    {
        using var watched = new Watched(Watched.Plain, "a", "b");
        for (var i = 0; i < 20; i++)
        {
            using var lease = watched.Pick("a");
            lease.Report(OutcomeKind.Answered, 200);
            watched.End("a");
            lease.Report(OutcomeKind.BodyBroken);
        }

        Assert.Equal(0, watched.Out);
    }

    [Fact]
    public void What_was_on_its_way_when_it_was_taken_out_makes_it_no_worse()
    {
        using var watched = new Watched(Watched.Plain, "a", "b");
        var leases = Enumerable.Range(0, 40).Select(_ => watched.Pick("a")).ToList();
        foreach (var lease in leases)
        {
            lease.Report(OutcomeKind.NotConnected);
            lease.Dispose();
        }

        Assert.Equal(1, watched.Tally("a").Ejections);
        Assert.Equal("3 failed connections in a row; out for 5 s", watched.Reason("a"));
    }

    [Fact]
    public void What_was_sent_before_it_came_back_does_not_take_it_out_again()
    {
        using var watched = new Watched(Watched.Plain, "a", "b");
        var old = Enumerable.Range(0, 4).Select(_ => watched.Pick("a")).ToList();
        watched.Refuse("a");
        watched.Pass(5);
        old.Take(1).ToList().ForEach(lease => lease.Dispose());
        Assert.Equal(MemberStanding.Trial, watched.Standing("a"));
        old[1].Report(OutcomeKind.TimedOut); // no word on the trial
        Assert.Equal(MemberStanding.Trial, watched.Standing("a"));
        old.ForEach(lease => lease.Dispose());
        watched.End("a");
        Assert.Equal(MemberStanding.Active, watched.Standing("a"));
    }
}
