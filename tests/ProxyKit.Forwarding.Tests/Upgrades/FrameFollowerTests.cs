using CsCheck;

namespace ProxyKit.Forwarding.Tests;

public sealed class FrameFollowerTests
{
    [Theory]
    [InlineData("", true, false)]
    [InlineData("82", false, false)]
    [InlineData("8200", true, false)]
    [InlineData("820161", true, false)]
    [InlineData("8202", false, false)]
    [InlineData("820261", false, false)]
    [InlineData("8280", false, false)] // masked and empty: the key is still to come
    [InlineData("828000000000", true, false)]
    [InlineData("8281000000", false, false)]
    [InlineData("82810000000061", true, false)]
    [InlineData("827e", false, false)]
    [InlineData("827e0000", true, false)]
    [InlineData("827e000161", true, false)]
    [InlineData("827f0000000000000001", false, false)]
    [InlineData("827f000000000000000161", true, false)]
    [InlineData("827fffffffffffffffff61", false, false)] // a length that may not be (§5.2), and is never met
    [InlineData("0201610900", true, false)] // a ping between two fragments
    [InlineData("8800", true, true)]
    [InlineData("880203e9", true, true)]
    [InlineData("880203", false, false)] // not whole yet
    [InlineData("82028800", true, false)] // a payload that looks like a Close
    [InlineData("880203e98200", true, true)]
    public void Where_a_frame_ends_is_known_however_its_bytes_come(string bytes, bool isAtBoundary, bool sawClose)
    {
        var all = Convert.FromHexString(bytes);
        var whole = new FrameFollower();
        whole.Follow(all);
        Assert.Equal((isAtBoundary, sawClose), (whole.IsAtBoundary, whole.SawClose));
        var single = new FrameFollower();
        foreach (var one in all)
        {
            single.Follow([one]);
        }

        Assert.Equal((isAtBoundary, sawClose), (single.IsAtBoundary, single.SawClose));
    }

    [Fact]
    public void Any_split_of_any_frames_has_its_boundaries_where_the_frames_end() =>
        Gen.Select(Frames.Any, Gen.Int[1, 70_000].Array[0, 12]).Sample((frames, pieces) =>
        {
            var follower = new FrameFollower();
            var bytes = frames.SelectMany(frame => frame).ToArray();
            var ends = frames.Select((_, i) => frames.Take(i + 1).Sum(frame => frame.Length)).Prepend(0).ToHashSet();
            var at = 0;
            foreach (var size in pieces.Append(int.MaxValue))
            {
                var piece = bytes.AsSpan(at, Math.Min(size, bytes.Length - at));
                follower.Follow(piece);
                at += piece.Length;
                Assert.Equal(ends.Contains(at), follower.IsAtBoundary);
            }

            Assert.Equal(bytes.Length, at);
            Assert.False(follower.SawClose);
        });

    [Fact]
    public void To_the_boundary_is_the_rest_of_the_frame_and_no_byte_more() =>
        Gen.Select(Frames.Any, Gen.Int[0, 200_000]).Sample((frames, cut) =>
        {
            var follower = new FrameFollower();
            var bytes = frames.SelectMany(frame => frame).ToArray();
            cut = Math.Min(cut, bytes.Length);
            follower.Follow(bytes.AsSpan(0, cut));
            var count = follower.FollowToBoundary(bytes.AsSpan(cut));
            var ends = frames.Select((_, i) => frames.Take(i + 1).Sum(frame => frame.Length)).Prepend(0);
            Assert.Equal(ends.First(end => end >= cut) - cut, count);
            Assert.True(follower.IsAtBoundary);
            Assert.Equal(0, follower.FollowToBoundary(bytes));
        });

    [Fact]
    public void Following_allocates_nothing()
    {
        var bytes = Enumerable.Range(0, 200).SelectMany(i => Frames.Frame(Frames.Text, i, masked: true)).ToArray();
        var follower = new FrameFollower();
        follower.Follow(bytes);
        var before = GC.GetAllocatedBytesForCurrentThread();
        follower.Follow(bytes);
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
        Assert.True(follower.IsAtBoundary);
    }
}
