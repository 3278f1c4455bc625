using System.Buffers;
using System.Globalization;
using System.Text;

using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Routing;

namespace ProxyKit.Forwarding;

/// <summary>Builds the path from the route's values: <c>/v2/{id}/{**rest}</c>.</summary>
/// <remarks>
/// A value is encoded whole, so that it stays within its segment; of a catch-all (<c>{**rest}</c>, at the end only) the slashes stay. A value that
/// would make a dot segment is refused with 400.
/// </remarks>
public sealed record PathPattern : IRequestTransform, IValidatable
{
    private static readonly SearchValues<char> NotInNames = SearchValues.Create("{:?=*/");

    private readonly List<Part> _parts = [];
    private readonly string? _fault;

    /// <summary>Builds paths from <paramref name="pattern"/>, its literal text percent-encoded where it must be.</summary>
    public PathPattern(string pattern)
    {
        Pattern = pattern ?? "";
        _fault = Parse(Pattern, _parts);
    }

    /// <summary>The pattern.</summary>
    public string Pattern { get; }

    /// <summary>The values of the route that it needs. A catch-all may be empty or missing.</summary>
    public IEnumerable<string> Required => _parts.Where(part => part.Kind == PartKind.Value).Select(part => part.Text);

    /// <inheritdoc/>
    public ValueTask ApplyAsync(RequestTransformContext context, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(context);
        var path = Build(context.HttpContext.Request.RouteValues, HoldsEncodedSlash(context.HttpContext));
        context.Path = EncodedPath.Checked(path, nameof(PathPattern));
        return ValueTask.CompletedTask;
    }

    /// <inheritdoc/>
    public IEnumerable<string> Faults()
    {
        if (_fault is not null)
        {
            yield return $"{nameof(Pattern)} is '{Pattern}'; {_fault}";
        }
    }

    /// <inheritdoc/>
    public bool Equals(PathPattern? other) => other is not null && Pattern == other.Pattern;

    /// <inheritdoc/>
    public override int GetHashCode() => Pattern.GetHashCode(StringComparison.Ordinal);

    /// <inheritdoc/>
    public override string ToString() => $"{nameof(PathPattern)} {Pattern}";

    /// <summary>The path for those values.</summary>
    /// <param name="values">The route's values.</param>
    /// <param name="slashesStandEncoded">
    /// Whether <c>%2F</c> in a value is a slash that came encoded, which the server alone leaves so; otherwise the percent sign is one that was encoded itself.
    /// </param>
    internal string Build(RouteValueDictionary values, bool slashesStandEncoded)
    {
        var path = new StringBuilder();
        foreach (var part in _parts)
        {
            if (part.Kind == PartKind.Literal)
            {
                path.Append(part.Text);
                continue;
            }

            var value = Convert.ToString(values.GetValueOrDefault(part.Text), CultureInfo.InvariantCulture) ?? "";
            if (part.Kind == PartKind.Value)
            {
                if (value.Length == 0)
                {
                    throw new BadHttpRequestException($"The path cannot be rewritten by {nameof(PathPattern)}: the route has no value '{part.Text}'.");
                }

                path.Append(Encoded(value, slashesStandEncoded));
            }
            else if (value.Length == 0 && path.Length > 1 && path[^1] == '/')
            {
                path.Length--;
            }
            else
            {
                path.AppendJoin('/', value.TrimStart('/').Split('/').Select(segment => Encoded(segment, slashesStandEncoded)));
            }
        }

        return path.ToString();
    }

    private static string Encoded(string value, bool slashesStandEncoded)
    {
        var text = EncodedPath.Segment(value);
        return slashesStandEncoded ? text.Replace("%252F", "%2F", StringComparison.OrdinalIgnoreCase) : text;
    }

    // Servers decode all of a path but %2F, so %2F and %252F look alike afterwards. Only the raw target tells; where it holds both, the safer reading wins.
    private static bool HoldsEncodedSlash(HttpContext context)
    {
        var raw = context.Features.Get<IHttpRequestFeature>()?.RawTarget;
        return raw is not null && raw.Contains("%2F", StringComparison.OrdinalIgnoreCase) && !raw.Contains("%252F", StringComparison.OrdinalIgnoreCase);
    }

    private static string? Parse(string pattern, List<Part> parts)
    {
        if (pattern is not ['/', ..])
        {
            return "it must begin with '/'.";
        }

        for (var at = 0; at < pattern.Length;)
        {
            if (pattern[at] != '{')
            {
                var end = pattern.IndexOf('{', at);
                var literal = end < 0 ? pattern[at..] : pattern[at..end];
                if (literal.Contains('}', StringComparison.Ordinal) || literal.Contains('?', StringComparison.Ordinal) || literal.Contains('#', StringComparison.Ordinal))
                {
                    return "outside of '{name}' there may be no '}', '?' or '#'.";
                }

                parts.Add(new(PartKind.Literal, literal));
                at += literal.Length;
                continue;
            }

            var close = pattern.IndexOf('}', at);
            if (close < 0)
            {
                return "a '{' has no '}'.";
            }

            var name = pattern.AsSpan()[(at + 1)..close];
            var rest = name.TrimStart('*');
            var isCatchAll = rest.Length < name.Length;
            if (rest.IsEmpty || rest.ContainsAny(NotInNames) || name.Length - rest.Length > 2)
            {
                return "between '{' and '}' stands the name of a value of the route, after '**' where it holds slashes.";
            }

            if (isCatchAll && close != pattern.Length - 1)
            {
                return "what holds slashes must come last.";
            }

            parts.Add(new(isCatchAll ? PartKind.Rest : PartKind.Value, rest.ToString()));
            at = close + 1;
        }

        // Judged with values in place, so that '/a/.{x}' is no dot segment and '/a b' is told.
        var sample = string.Concat(parts.Select(part => part.Kind == PartKind.Literal ? part.Text : "x"));
        return EncodedPath.IsSafe(sample) ? null : "write its text percent-encoded (a space as %20), without '.' and '..' segments.";
    }

    private enum PartKind
    {
        Literal,
        Value,
        Rest,
    }

    private readonly record struct Part(PartKind Kind, string Text);
}
