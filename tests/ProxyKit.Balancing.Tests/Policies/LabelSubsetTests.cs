namespace ProxyKit.Balancing.Tests.Policies;

public class LabelSubsetTests
{
    private static readonly Member[] Members = [new(Given.Destination("a", version: "1")), new(Given.Destination("b", version: "2")), new(Given.Destination("c", version: "2")), new(Given.Destination("d"))];

    [Fact]
    public void Only_members_with_the_label_serve() =>
        Assert.Equal(["b", "c"], Subset("2").Draw(300).Keys.Order());

    [Fact]
    public void Without_a_fallback_nobody_else_serves()
    {
        Assert.Null(Subset("2").Pick(new PickRequest(0, 0, 1, [Members[1], Members[2]])));
        Assert.Null(Subset("3").Pick(new PickRequest(0, 0, 1)));
    }

    [Fact]
    public void With_a_fallback_the_others_serve_when_the_subset_cannot() =>
        Assert.Equal(["a", "d"], Subset("2", SubsetFallback.Any).Draw(300, Members[1], Members[2]).Keys.Order());

    [Fact]
    public void A_subset_by_no_label_is_refused() =>
        Assert.Equal(["Labels is empty; name at least one label, such as \"version\": \"2\"."], new LabelSubset().Faults());

    private static IPicker Subset(string version, SubsetFallback fallback = SubsetFallback.None) =>
        new LabelSubset { Labels = { ["version"] = version }, Fallback = fallback }.Prepare(Members);
}
