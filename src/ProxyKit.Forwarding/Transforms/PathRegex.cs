using System.Text.RegularExpressions;

using Microsoft.AspNetCore.Http;

namespace ProxyKit.Forwarding;

/// <summary>Rewrites the path, percent-encoded as it is, by a regular expression; a path without a match passes as it is.</summary>
/// <remarks>
/// Matching takes time in proportion to the path, whatever a client sends; expressions that need to look back are bounded to 100 ms
/// instead. What comes out and is no path that is safe to send is refused with 400.
/// </remarks>
public sealed record PathRegex : IRequestTransform, IValidatable
{
    private static readonly TimeSpan Limit = TimeSpan.FromMilliseconds(100);

    private readonly Regex? _regex;
    private readonly string? _fault;

    /// <summary>Rewrites what <paramref name="pattern"/> matches to <paramref name="replacement"/>, in which <c>$1</c> and <c>${name}</c> stand for groups.</summary>
    public PathRegex(string pattern, string replacement)
    {
        (Pattern, Replacement) = (pattern ?? "", replacement ?? "");
        try
        {
            _regex = Compile(Pattern);
        }
        catch (ArgumentException fault)
        {
            _fault = fault.Message;
        }
    }

    /// <summary>The expression; the first match is rewritten, and with <c>^</c> and <c>$</c> the whole path.</summary>
    public string Pattern { get; }

    /// <summary>What stands in place of the match.</summary>
    public string Replacement { get; }

    /// <inheritdoc/>
    public ValueTask ApplyAsync(RequestTransformContext context, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(context);
        try
        {
            var path = _regex!.Replace(context.Path, Replacement, 1);
            context.Path = ReferenceEquals(path, context.Path) ? path : EncodedPath.Checked(path, nameof(PathRegex));
            return ValueTask.CompletedTask;
        }
        catch (RegexMatchTimeoutException)
        {
            throw new BadHttpRequestException($"The path cannot be rewritten by {nameof(PathRegex)}: matching takes too long.");
        }
    }

    /// <inheritdoc/>
    public IEnumerable<string> Faults()
    {
        if (_fault is not null || Pattern.Length == 0)
        {
            yield return $"{nameof(Pattern)} is '{Pattern}'; it must be a regular expression. {_fault}";
        }

        if (Replacement.Contains('?', StringComparison.Ordinal) || Replacement.Contains('#', StringComparison.Ordinal) || !EncodedPath.IsSafe("/" + Replacement.Replace('$', 'x')))
        {
            yield return $"{nameof(Replacement)} is '{Replacement}'; write it percent-encoded, without '.' and '..' segments, and without a query, which {nameof(SetQuery)} sets.";
        }
    }

    /// <inheritdoc/>
    public bool Equals(PathRegex? other) => other is not null && (Pattern, Replacement) == (other.Pattern, other.Replacement);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Pattern, Replacement);

    /// <inheritdoc/>
    public override string ToString() => $"{nameof(PathRegex)} {Pattern} to {Replacement}";

    private static Regex Compile(string pattern)
    {
        try
        {
            return new Regex(pattern, RegexOptions.NonBacktracking | RegexOptions.CultureInvariant, Limit);
        }
        catch (NotSupportedException)
        {
            return new Regex(pattern, RegexOptions.Compiled | RegexOptions.CultureInvariant, Limit);
        }
    }
}
