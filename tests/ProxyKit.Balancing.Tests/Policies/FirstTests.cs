namespace ProxyKit.Balancing.Tests.Policies;

public class FirstTests
{
    [Fact]
    public void The_list_is_tried_in_its_order()
    {
        Member[] members = [Given.Member("z", inFlight: 9), Given.Member("a"), Given.Member("m")];
        var picker = new First().Prepare(members);
        Assert.Equal("z", picker.Pick(new PickRequest(7, 7, 7))!.Destination.Name);
        Assert.Equal("a", picker.Pick(new PickRequest(7, 7, 7, [members[0]]))!.Destination.Name);
        Assert.Equal("m", picker.Pick(new PickRequest(7, 7, 7, [members[1], members[0]]))!.Destination.Name);
    }
}
