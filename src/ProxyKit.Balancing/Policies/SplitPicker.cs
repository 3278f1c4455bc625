namespace ProxyKit.Balancing;

/// <summary>Shares requests out among parts of a pool, each with a picker of its own; what a part cannot take goes to the next.</summary>
internal sealed class SplitPicker : IPicker
{
    private readonly (string Name, double Share, IPicker Picker)[] _parts;
    private readonly double[] _upTo;

    /// <param name="parts">The parts. Their shares add up to 1; one of share 0 is asked only when the others can take no more.</param>
    public SplitPicker(IEnumerable<(string Name, double Share, IPicker Picker)> parts)
    {
        _parts = [.. parts];
        _upTo = new double[_parts.Length];
        var sum = 0.0;
        for (var i = 0; i < _parts.Length; i++)
        {
            sum += _parts[i].Share;
            _upTo[i] = sum;
        }
    }

    public Member? Pick(in PickRequest request)
    {
        var start = Start(request);
        for (var i = 0; i < _parts.Length; i++)
        {
            if (_parts[(start + i) % _parts.Length].Picker.Pick(request) is { } member)
            {
                return member;
            }
        }

        return null;
    }

    public string Explain(in PickRequest request, Member picked)
    {
        var start = Start(request);
        for (var i = 0; i < _parts.Length; i++)
        {
            var (name, share, picker) = _parts[(start + i) % _parts.Length];
            if (picker.Pick(request) is { } member)
            {
                var why = i == 0 ? $"{name} has {share:P0} of the requests" : $"{_parts[start].Name} can take no more, so {name}";
                return member.IsSame(picked) ? $"{why}: {picker.Explain(request, picked)}" : why;
            }
        }

        return "";
    }

    // A key finds the same part again for as long as the shares last. It is scrambled apart from how the parts themselves use it.
    private int Start(in PickRequest request)
    {
        var drawn = Chance.Unit(WeightedDraw.Mix(~(request.Key ?? request.Random)));
        for (var i = 0; i < _upTo.Length; i++)
        {
            if (drawn < _upTo[i])
            {
                return i;
            }
        }

        // Only rounding leads here: the last part that has a share at all.
        return Math.Max(0, Array.FindLastIndex(_parts, part => part.Share > 0));
    }
}
