namespace ProxyKit.FailureMatrix.Tests;

/// <summary>The backend that sessions stick to dies and comes back.</summary>
public sealed class StickyHostTests
{
    public static TheoryData<Variation> Sticky => Variation.IsFull ? [new Variation(Sticky: true), new Variation(Http2: true, Sticky: true)] : [new Variation(Sticky: true)];

    [Theory]
    [MemberData(nameof(Sticky))]
    public Task Row_24_Each_session_of_the_dead_one_moves_once_and_no_other_moves(Variation variation) => Row.OverThreeAsync(variation, null, async (gateway, origins, ledger) =>
    {
        const int Clients = 30;
        await using var load = gateway.Load(variation, variation.Load with { Clients = Clients, Rate = 60 });
        await load.WhenDueAsync(Clients * 2);
        var killed = load.Elapsed;
        await origins[1].KillAsync();
        await load.WhenDueAsync(Clients * 4);
        await origins[1].ReviveAsync();
        await load.WhenDueAsync(Clients * 6);
        var report = await load.StopAsync();
        await Results.AddAsync(24, "sticky host dies and comes back", variation, report, gateway, ledger);
        Row.LosesNothingRepeatable(report, ledger);

        var clients = report.Requests.GroupBy(request => request.Number % Clients).ToList();
        var moved = 0;
        foreach (var client in clients)
        {
            var home = client.Last(request => request.At < killed && request.IsServed && request.At + request.Elapsed < killed).Server;
            var later = client.Where(request => request.At > killed && request.IsServed).ToList();
            var told = client.Count(request => request.SetsCookie && request.At + request.Elapsed > killed); // it may have been on its way then
            if (home == "b")
            {
                moved++;
                Assert.Equal(1, told);
                Assert.Single(later.Select(request => request.Server).Distinct()); // one new home, which it keeps when the old one is back
                Assert.DoesNotContain(later, request => request.Server == "b");
            }
            else
            {
                Assert.Equal(0, told);
                Assert.All(later, request => Assert.Equal(home, request.Server));
            }
        }

        Assert.InRange(moved, 1, Clients * 2 / 3);
    });
}
