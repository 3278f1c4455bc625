using System.Collections.Frozen;

using Microsoft.Extensions.Primitives;

namespace ProxyKit.Forwarding;

/// <summary>The fields that a <c>Connection</c> field names, and that end here with it (RFC 9110 §7.6.1).</summary>
/// <remarks>
/// A sender must not name there what is meant for all recipients, and clients that do so are up to something: to strip the fields by which
/// a message is framed, read, judged, cached or attributed, so that the destination takes it for another than the gateway did. Such names
/// are passed over and their fields go on. What the gateway adds comes after the copy and cannot be named away.
/// </remarks>
internal readonly struct ConnectionTokens
{
    private const int ScannedAtMost = 128; // characters; beyond, one set is cheaper than many scans, whatever a client sends

    private static readonly FrozenSet<string> EndToEnd = new[]
    {
        "Accept", "Accept-Charset", "Accept-Encoding", "Accept-Language", "Accept-Ranges", "Age", "Allow", "Authorization", "Cache-Control", "Cookie", "Date", "DNT", "ETag",
        "Expect", "Expires", "Forwarded", "From", "Host", "Idempotency-Key", "If-Match", "If-Modified-Since", "If-None-Match", "If-Range", "If-Unmodified-Since", "Last-Modified",
        "Link", "Location", "Max-Forwards", "Origin", "Pragma", "Range", "Referer", "Retry-After", "Server", "Set-Cookie", "Strict-Transport-Security", "Traceparent",
        "Tracestate", "Trailer", "User-Agent", "Vary", "Via", "WWW-Authenticate", "X-Real-IP", "X-Request-ID",
    }.ToFrozenSet(StringComparer.OrdinalIgnoreCase);

    private readonly StringValues _values;
    private readonly HashSet<string>? _many;

    public ConnectionTokens(StringValues values)
    {
        if (IsUsual(values))
        {
            return;
        }

        _values = values;
        var length = 0;
        foreach (var value in values)
        {
            length += value?.Length ?? 0;
        }

        if (length > ScannedAtMost)
        {
            _many = new HashSet<string>(StringComparer.OrdinalIgnoreCase);
            foreach (var value in values)
            {
                foreach (var range in value.AsSpan().Split(','))
                {
                    _many.Add(value.AsSpan(range).Trim(" \t").ToString());
                }
            }
        }
    }

    /// <summary>Whether it names no field that could be there to strip.</summary>
    public bool IsEmpty => _values.Count == 0;

    /// <summary>Whether it names that field, and may.</summary>
    public bool Contains(string name) => _values.Count != 0 && IsNamed(name) && !IsEndToEnd(name);

    private bool IsNamed(string name)
    {
        if (_many is not null)
        {
            return _many.Contains(name);
        }

        foreach (var value in _values)
        {
            foreach (var range in value.AsSpan().Split(','))
            {
                if (value.AsSpan(range).Trim(" \t").Equals(name, StringComparison.OrdinalIgnoreCase))
                {
                    return true;
                }
            }
        }

        return false;
    }

    private static bool IsEndToEnd(string name) =>
        EndToEnd.Contains(name)
        || Begins(name, "Content-")
        || Begins(name, "X-Forwarded-")
        || Begins(name, "Sec-")
        || Begins(name, "Access-Control-");

    private static bool Begins(string name, string known) => name.StartsWith(known, StringComparison.OrdinalIgnoreCase);

    // What nearly every request says, and what names only fields that never pass anyway.
    private static bool IsUsual(StringValues values) =>
        values.Count == 0
        || (values.Count == 1 && values[0] is { } value && value.Length switch
        {
            0 => true,
            5 => value.Equals("close", StringComparison.OrdinalIgnoreCase),
            7 => value.Equals("upgrade", StringComparison.OrdinalIgnoreCase),
            10 => value.Equals("keep-alive", StringComparison.OrdinalIgnoreCase),
            _ => false,
        });
}
