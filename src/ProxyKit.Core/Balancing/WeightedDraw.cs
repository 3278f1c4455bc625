namespace ProxyKit;

/// <summary>Draws members by weight in constant time.</summary>
/// <remarks>Vose, "A Linear Algorithm for Generating Random Numbers with a Given Distribution", 1991 (the alias method).</remarks>
public sealed class WeightedDraw
{
    private readonly Member[] _members;
    private readonly double[]? _stay; // null where all weights are equal
    private readonly int[] _alias;

    /// <summary>Lays out the table for <paramref name="members"/>, by <see cref="Member.Weight"/>.</summary>
    public WeightedDraw(IEnumerable<Member> members)
    {
        _members = [.. members];
        _alias = new int[_members.Length];
        if (_members.Length == 0 || _members.All(member => member.Weight == _members[0].Weight))
        {
            return;
        }

        var total = _members.Sum(member => member.Weight);
        var scaled = _members.Select(member => member.Weight * _members.Length / total).ToArray();
        var small = new Stack<int>(Enumerable.Range(0, scaled.Length).Where(i => scaled[i] < 1));
        var large = new Stack<int>(Enumerable.Range(0, scaled.Length).Where(i => scaled[i] >= 1));
        _stay = new double[scaled.Length];
        Array.Fill(_stay, 1);
        while (small.Count > 0 && large.Count > 0)
        {
            var (less, more) = (small.Pop(), large.Pop());
            (_stay[less], _alias[less]) = (scaled[less], more);
            scaled[more] -= 1 - scaled[less];
            (scaled[more] < 1 ? small : large).Push(more);
        }
    }

    /// <summary>How many members there are to draw from.</summary>
    public int Count => _members.Length;

    /// <summary>The member at <paramref name="index"/>.</summary>
    public Member this[int index] => _members[index];

    /// <summary>Scrambles <paramref name="value"/>, so that one drawn number gives further ones.</summary>
    /// <remarks>The finalizer of SplitMix64 (Steele, Lea and Flood, 2014).</remarks>
    public static ulong Mix(ulong value)
    {
        value += 0x9E3779B97F4A7C15;
        value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9;
        value = (value ^ (value >> 27)) * 0x94D049BB133111EB;
        return value ^ (value >> 31);
    }

    /// <summary>The index of the member drawn by 64 random bits; there must be one.</summary>
    public int Draw(ulong random)
    {
        var column = (int)(((random >> 32) * (ulong)_members.Length) >> 32);
        return _stay is null || (uint)random * (1.0 / (1UL << 32)) < _stay[column] ? column : _alias[column];
    }

    /// <summary>The indexes of two different members drawn by 64 random bits; twice the same where there is but one.</summary>
    /// <remarks>Drawing with replacement instead would give a chooser of the less busy one the busier of two in a quarter of all cases.</remarks>
    public (int First, int Second) DrawTwo(ulong random)
    {
        var first = Draw(random);
        if (_members.Length == 1)
        {
            return (first, first);
        }

        for (var i = 0; i < 4; i++)
        {
            random = Mix(random);
            var second = Draw(random);
            if (second != first)
            {
                return (first, second);
            }
        }

        // One weight outweighs the rest by far: any other will do.
        var step = 1 + (int)((random >> 32) % (ulong)(_members.Length - 1));
        return (first, (first + step) % _members.Length);
    }
}
