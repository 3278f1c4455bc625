using System.Collections;

namespace ProxyKit.Testing;

/// <summary>The fields of a head or of trailers as they stood on the wire: in order, repeated ones apart, values as Latin-1.</summary>
public sealed class FieldList : IReadOnlyList<KeyValuePair<string, string>>
{
    /// <summary>No fields.</summary>
    public static readonly FieldList Empty = new([]);

    private readonly KeyValuePair<string, string>[] _fields;

    internal FieldList(IEnumerable<KeyValuePair<string, string>> fields) => _fields = [.. fields];

    /// <inheritdoc/>
    public int Count => _fields.Length;

    /// <inheritdoc/>
    public KeyValuePair<string, string> this[int index] => _fields[index];

    /// <summary>The field's values joined by ", "; null where there is none of that name.</summary>
    public string? this[string name] => All(name) is { Count: > 0 } values ? string.Join(", ", values) : null;

    /// <summary>Each value of the field, one for each line.</summary>
    public IReadOnlyList<string> All(string name) =>
        [.. _fields.Where(field => field.Key.Equals(name, StringComparison.OrdinalIgnoreCase)).Select(field => field.Value)];

    /// <summary>Whether there is a field of that name.</summary>
    public bool Contains(string name) => Array.Exists(_fields, field => field.Key.Equals(name, StringComparison.OrdinalIgnoreCase));

    /// <inheritdoc/>
    public IEnumerator<KeyValuePair<string, string>> GetEnumerator() => ((IEnumerable<KeyValuePair<string, string>>)_fields).GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    /// <inheritdoc/>
    public override string ToString() => string.Concat(_fields.Select(field => $"{field.Key}: {field.Value}\n"));
}
