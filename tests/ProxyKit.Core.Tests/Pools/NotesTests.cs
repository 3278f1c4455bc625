namespace ProxyKit.Tests.Pools;

public class NotesTests
{
    [Fact]
    public void Each_type_has_one_note_that_stays()
    {
        using var pool = new Pool("p", Some.Destinations("a", "b"));
        var note = pool.Member("a").Notes.Of<One>();
        Assert.NotSame(note, pool.Member("b").Notes.Of<One>());
        Assert.NotSame((object)note, pool.Member("a").Notes.Of<Other>());
        pool.Update([Some.Destination("a", weight: 3)]);
        Assert.Same(note, pool.Member("a").Notes.Of<One>());
        pool.Update([Some.Destination("a", port: 81)]);
        Assert.NotSame(note, pool.Member("a").Notes.Of<One>()); // another server
        Assert.Same(pool.Notes.Of<One>(), pool.Notes.Of<One>());
    }

    [Fact]
    public void Whoever_asks_at_the_same_time_gets_the_same()
    {
        for (var round = 0; round < 300; round++)
        {
            var notes = new Notes();
            using var start = new Barrier(4);
            var (ones, others) = (new One[4], new Other[4]);
            var threads = Enumerable.Range(0, 4).Select(i => new Thread(() =>
            {
                start.SignalAndWait();
                (ones[i], others[i]) = i % 2 == 0 ? (notes.Of<One>(), notes.Of<Other>()) : Swapped(notes);
            })).ToList();
            threads.ForEach(thread => thread.Start());
            threads.ForEach(thread => thread.Join());
            Assert.Single(ones.Distinct());
            Assert.Single(others.Distinct());
            Assert.Same(ones[0], notes.Of<One>());
        }

        static (One, Other) Swapped(Notes notes)
        {
            var other = notes.Of<Other>();
            return (notes.Of<One>(), other);
        }
    }

    [Fact]
    public void Reading_allocates_nothing()
    {
        var notes = new Notes();
        _ = (notes.Of<Other>(), notes.Of<One>());
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 1000; i++)
        {
            notes.Of<One>();
        }

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    [Fact]
    public void A_pool_s_notes_end_with_it_and_one_that_comes_late_at_once()
    {
        var pool = new Pool("p", Some.Destinations("a"));
        var note = pool.Notes.Of<Ends>();
        pool.Notes.Of<One>();
        Assert.False(note.HasEnded);
        pool.Dispose();
        Assert.True(note.HasEnded);
        Assert.True(pool.Notes.Of<EndsToo>().HasEnded);
    }

    private sealed class One;

    private sealed class Other;

    private class Ends : IDisposable
    {
        public bool HasEnded { get; private set; }

        public void Dispose() => HasEnded = true;
    }

    private sealed class EndsToo : Ends;
}
