using CsCheck;

namespace ProxyKit.Balancing.Tests.Policies;

public class MaglevTests
{
    [Fact]
    public void Equal_members_have_equally_many_entries_to_within_one() => Gen.Int[1, 40].Sample(
        count =>
        {
            var entries = Maglev.Fill(Given.Members(Enumerable.Repeat(1, count)), 4099).CountBy(owner => owner).Select(owner => owner.Value).ToList();
            Assert.Equal(count, entries.Count);
            Assert.InRange(entries.Max() - entries.Min(), 0, 1);
        },
        iter: 20);

    [Fact]
    public void Entries_follow_the_weights() => Given.Weights.Sample(
        weights =>
        {
            var members = Given.Members(weights);
            var entries = Maglev.Fill(members, 65_537).CountBy(owner => owner).ToDictionary(owner => owner.Key, owner => owner.Value);
            for (var i = 0; i < weights.Length; i++)
            {
                var share = 65_537.0 * weights[i] / weights.Sum();
                Assert.InRange(entries[i], share - 9, share + 9);
            }
        },
        iter: 10);

    [Theory]
    [InlineData(3), InlineData(10), InlineData(100)]
    public void Removing_one_of_n_changes_little_more_than_its_own_entries(int count)
    {
        var members = Given.Members(Enumerable.Repeat(1, count));
        var before = Maglev.Fill(members, 65_537);
        var after = Maglev.Fill(members.AsSpan(1), 65_537);
        var changed = before.Zip(after).Count(entry => entry.First != entry.Second + 1) / 65_537.0;
        Assert.InRange(changed, 1.0 / count * 0.99, (1.0 / count) + 0.01);
    }

    [Theory]
    [InlineData(65_536), InlineData(1), InlineData(5_000_013), InlineData(-7)]
    public void A_size_that_is_no_prime_in_range_is_refused(int size) =>
        Assert.Equal([$"TableSize is {size}; it must be a prime from 3 to 5000011, such as 65537."], new Maglev { TableSize = size }.Faults());
}
