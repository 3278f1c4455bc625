using System.Text;

namespace ProxyKit.Testing;

/// <summary>A response as it came over the wire.</summary>
/// <param name="Status">The status.</param>
/// <param name="Reason">What follows the status on its line.</param>
/// <param name="Fields">The fields of the head.</param>
/// <param name="Informational">The 1xx heads that came before it.</param>
public sealed record RawResponse(int Status, string Reason, FieldList Fields, IReadOnlyList<RawResponse> Informational)
{
    /// <summary>The bytes of the head, up to and with the empty line.</summary>
    public ReadOnlyMemory<byte> Head { get; init; }

    /// <summary>The body without its framing, as far as it came.</summary>
    public ReadOnlyMemory<byte> Body { get; init; }

    /// <summary>How the body ended.</summary>
    public BodyEnd End { get; init; }

    /// <summary>The trailers of a chunked body.</summary>
    public FieldList Trailers { get; init; } = FieldList.Empty;

    /// <summary>The body as Latin-1.</summary>
    public string Text => Encoding.Latin1.GetString(Body.Span);

    /// <summary>The field's values joined by ", "; null where there is none of that name.</summary>
    public string? this[string name] => Fields[name];

    /// <inheritdoc/>
    public override string ToString() => $"{Encoding.Latin1.GetString(Head.Span)}{Text} ({End})";
}
