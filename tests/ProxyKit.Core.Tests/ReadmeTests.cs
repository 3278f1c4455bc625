using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;

using ProxyKit.Tests.Configuration;

namespace ProxyKit.Tests;

// The README's examples, as they stand there.
public class ReadmeTests
{
    [Fact]
    public void A_pool_without_a_host()
    {
        #region pool
        using var pool = new Pool("orders", [Destination.Parse("http://10.0.0.1:8080"), Destination.Parse("http://10.0.0.2:8080")]);
        if (pool.TryPick(out var lease) == PickStatus.Picked)
        {
            using (lease) // takes a seat now, frees it at the end
            {
                Console.WriteLine(lease.Member.Destination.Address); // send the request there
                lease.Report(OutcomeKind.Answered, status: 200);
            }
        }
        #endregion

        Assert.Equal(2, pool.Snapshot.Members.Length);
        Assert.All(pool.Snapshot.Members, member => Assert.Equal(0, member.InFlight));
    }

    #region policy
    public sealed class Newest : IBalancingPolicy // the highest label "version" serves
    {
        public IPicker Prepare(PoolSnapshot snapshot) =>
            new Picker([.. snapshot.Available.OrderByDescending(member => member.Destination.Labels.GetValueOrDefault("version", ""), StringComparer.Ordinal)]);

        private sealed class Picker(Member[] newestFirst) : IPicker
        {
            public Member? Pick(in PickRequest request)
            {
                foreach (var member in newestFirst)
                {
                    if (request.Allows(member)) // not tried before, and a seat free
                    {
                        return member;
                    }
                }

                return null;
            }
        }
    }
    #endregion

    #region policy-test
    [Fact]
    public void The_newest_serves_and_the_next_newest_once_it_was_tried()
    {
        Member[] members = [Version("1"), Version("3"), Version("2")];
        var picker = new Newest().Prepare(new PoolSnapshot(members));
        Assert.Same(members[1], picker.Pick(new PickRequest(ticket: 0, random: 0)));
        Assert.Same(members[2], picker.Pick(new PickRequest(ticket: 0, random: 0, tried: [members[1]])));

        static Member Version(string version)
        {
            var destination = Destination.Parse($"http://10.0.0.{version}");
            return new Member(destination with { Labels = destination.Labels.Add("version", version) });
        }
    }
    #endregion

    [Fact]
    public async Task A_drain_and_an_explanation()
    {
        using var pool = new Pool("orders", [Destination.Parse("http://10.0.0.1:8080"), Destination.Parse("http://10.0.0.2:8080")]);
        #region explain
        Console.WriteLine(pool.Explain());
        // PowerOfTwo: 10.0.0.1:8080 (drew 10.0.0.1:8080 at load 0 and 10.0.0.2:8080 at load 3); 10.0.0.1:8080 available at load 0/1, ...
        #endregion

#pragma warning disable xUnit1051 // an example is for users, who have no test context
        #region drain
        var left = await pool.DrainAsync("10.0.0.1:8080", deadline: TimeSpan.FromSeconds(30));
        Console.WriteLine(left == 0 ? "drained" : $"{left} requests were ended at the deadline");
        pool.SetState("10.0.0.1:8080", MemberState.Active); // and back again
        #endregion
#pragma warning restore xUnit1051

        Assert.Equal(0, left);
        Assert.Equal(2, pool.Snapshot.Available.Length);
    }

    [Fact]
    public void Pools_from_configuration()
    {
        var services = new ServiceCollection();
        var configuration = new Json("""
            {
              "ProxyKit": {
                "Pools": {
                  "orders": {
                    "Destinations": {
                      "a": "http://10.0.0.1:8080",
                      "b": { "Address": "http://10.0.0.2:8080", "Weight": 2 }
                    },
                    "Policy": "RoundRobin",
                    "Limits": { "MaxPerDestination": 200, "QueueLength": 100, "QueueTimeout": "00:00:00.250" }
                  }
                }
              }
            }
            """).Root;

        #region configuration
        services.AddProxyKit().AddConfiguration(configuration.GetSection("ProxyKit"));
        #endregion

        using var provider = services.BuildServiceProvider();
        #region find
        var pool = provider.GetRequiredService<PoolDirectory>().Find("orders");
        #endregion

        Assert.Equal([1.0, 2.0], pool.Snapshot.Members.Select(member => member.Weight));
        Assert.Equal(200, pool.Snapshot.Members[0].Limit);
    }

    [Fact]
    public void Options_of_ones_own()
    {
        var services = new ServiceCollection();
        var configuration = new Json("""{ "Pools": { "orders": { "Region": { "Name": "eu-1" } } } }""").Root;
        #region own-options
        services.AddSettingsSection<RegionOptions>("Region", static (section, options) => section.Bind(options));
        #endregion

        services.AddProxyKit().AddConfiguration(configuration).AddPool("users").With(new RegionOptions { Name = "us-2" });
        using var provider = services.BuildServiceProvider();
        var pools = provider.GetRequiredService<PoolDirectory>();
        Assert.Equal("eu-1", pools.Find("orders").Snapshot.Settings.Get<RegionOptions>()!.Name);
        Assert.Equal("us-2", pools.Find("users").Snapshot.Settings.Get<RegionOptions>()!.Name);
    }

    #region own-options-type
    public sealed record RegionOptions : IValidatable, ICopyable<RegionOptions>
    {
        public string Name { get; set; } = "eu-1a";

        public RegionOptions Copy() => this with { };

        public IEnumerable<string> Faults() => Name.Length > 0 ? [] : [$"{nameof(Name)} is empty; name the region."];
    }
    #endregion
}
