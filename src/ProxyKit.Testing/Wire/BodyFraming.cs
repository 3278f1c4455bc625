using System.Globalization;

namespace ProxyKit.Testing;

/// <summary>How long a body is, told by its head.</summary>
/// <remarks>RFC 9112 §6.3.</remarks>
internal readonly record struct BodyFraming(BodyKind Kind, long Length = 0)
{
    public static BodyFraming OfRequest(FieldList fields) => Of(fields) ?? new(BodyKind.None);

    public static BodyFraming OfResponse(FieldList fields, int status, string method) =>
        method == "HEAD" || status is >= 100 and < 200 or 204 or 304 || (method == "CONNECT" && status is >= 200 and < 300)
            ? new(BodyKind.None)
            : Of(fields) ?? new(BodyKind.UntilClose);

    private static BodyFraming? Of(FieldList fields)
    {
        var lengths = fields.All("Content-Length");
        if (fields["Transfer-Encoding"] is { } coding)
        {
            return coding.Equals("chunked", StringComparison.OrdinalIgnoreCase) && lengths.Count == 0
                ? new(BodyKind.Chunked)
                : throw new InvalidDataException($"Transfer-Encoding is '{coding}', with {lengths.Count} of Content-Length; it must be 'chunked' alone.");
        }

        return lengths switch
        {
            [] => null,
            [var only] when long.TryParse(only, NumberStyles.None, CultureInfo.InvariantCulture, out var length) => new(BodyKind.Length, length),
            _ => throw new InvalidDataException($"Content-Length is '{string.Join("' and '", lengths)}'; there must be one number."),
        };
    }
}

internal enum BodyKind
{
    None,
    Length,
    Chunked,
    UntilClose,
}
