using System.Text;

using Microsoft.Extensions.Primitives;

namespace ProxyKit.Forwarding;

/// <summary>Reads the <c>Cookie</c> field (RFC 6265 §4.2.1) where it stands, without a dictionary for each request.</summary>
internal static class CookieField
{
    /// <summary>The value of the first cookie of that name.</summary>
    public static bool TryFind(StringValues field, string name, out ReadOnlySpan<char> value)
    {
        var cookies = new Cookies(field, name);
        var found = cookies.MoveNext();
        value = found ? cookies.Current : [];
        return found;
    }

    /// <summary>The field without the cookies of that name: the very same where there is none, empty where nothing else is left.</summary>
    public static StringValues Without(StringValues field, string name)
    {
        if (!new Cookies(field, name).MoveNext())
        {
            return field;
        }

        var lines = new List<string>(field.Count);
        foreach (var line in field)
        {
            var text = new StringBuilder();
            foreach (var range in line.AsSpan().Split(';'))
            {
                var pair = line.AsSpan(range).Trim(" \t");
                if (!pair.IsEmpty && !IsNamed(pair, name, out _))
                {
                    text.Append(text.Length == 0 ? "" : "; ").Append(pair);
                }
            }

            if (text.Length > 0)
            {
                lines.Add(text.ToString());
            }
        }

        return lines.Count switch
        {
            0 => StringValues.Empty,
            1 => lines[0],
            _ => lines.ToArray(),
        };
    }

    private static bool IsNamed(ReadOnlySpan<char> pair, string name, out ReadOnlySpan<char> value)
    {
        var equals = pair.IndexOf('=');
        value = equals < 0 ? [] : pair[(equals + 1)..].Trim(" \t");
        return equals >= 0 && pair[..equals].Trim(" \t").SequenceEqual(name);
    }

    /// <summary>All values of one name: a client may hold several, of other paths and domains, and sends all of them.</summary>
    public ref struct Cookies(StringValues field, string name)
    {
        private readonly StringValues _lines = field;
        private readonly string _name = name;
        private ReadOnlySpan<char> _rest;
        private int _next;

        public ReadOnlySpan<char> Current { get; private set; }

        public bool MoveNext()
        {
            while (true)
            {
                while (_rest.IsEmpty)
                {
                    if (_next == _lines.Count)
                    {
                        return false;
                    }

                    _rest = _lines[_next++];
                }

                var end = _rest.IndexOf(';');
                var pair = (end < 0 ? _rest : _rest[..end]).Trim(" \t");
                _rest = end < 0 ? [] : _rest[(end + 1)..];
                if (IsNamed(pair, _name, out var value))
                {
                    Current = value;
                    return true;
                }
            }
        }
    }
}
