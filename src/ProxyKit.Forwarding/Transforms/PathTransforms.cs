using System.Text;

namespace ProxyKit.Forwarding;

/// <summary>Takes a prefix off the path, whole segments only; a path without it passes as it is.</summary>
/// <param name="Prefix">The prefix, such as <c>/api</c>, percent-encoded where it must be. Its letters match in either case, as routes do.</param>
public sealed record RemovePrefix(string Prefix) : IRequestTransform, IValidatable
{
    private readonly byte[] _decoded = Encoding.UTF8.GetBytes(Uri.UnescapeDataString((Prefix ?? "").TrimEnd('/')));

    /// <inheritdoc/>
    public ValueTask ApplyAsync(RequestTransformContext context, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(context);
        context.Path = EncodedPath.After(context.Path, _decoded) ?? context.Path;
        return ValueTask.CompletedTask;
    }

    /// <inheritdoc/>
    public IEnumerable<string> Faults() => PathFaults.Of(nameof(Prefix), Prefix);

    /// <inheritdoc/>
    public bool Equals(RemovePrefix? other) => other is not null && Prefix == other.Prefix;

    /// <inheritdoc/>
    public override int GetHashCode() => Prefix.GetHashCode(StringComparison.Ordinal);
}

/// <summary>Puts a prefix before the path.</summary>
/// <param name="Prefix">The prefix, such as <c>/v2</c>, percent-encoded where it must be.</param>
public sealed record AddPrefix(string Prefix) : IRequestTransform, IValidatable
{
    /// <inheritdoc/>
    public ValueTask ApplyAsync(RequestTransformContext context, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(context);
        context.Path = string.Concat(Prefix.AsSpan().TrimEnd('/'), context.Path);
        return ValueTask.CompletedTask;
    }

    /// <inheritdoc/>
    public IEnumerable<string> Faults() => PathFaults.Of(nameof(Prefix), Prefix);
}

/// <summary>Sends every request to one path.</summary>
/// <param name="Path">The path, such as <c>/index.html</c>, percent-encoded where it must be. The query stays as it is.</param>
public sealed record SetPath(string Path) : IRequestTransform, IValidatable
{
    /// <inheritdoc/>
    public ValueTask ApplyAsync(RequestTransformContext context, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(context);
        context.Path = Path;
        return ValueTask.CompletedTask;
    }

    /// <inheritdoc/>
    public IEnumerable<string> Faults() => PathFaults.Of(nameof(Path), Path);
}

/// <summary>What is wrong with paths that people write.</summary>
internal static class PathFaults
{
    public static IEnumerable<string> Of(string name, string? path)
    {
        if (path is not ['/', ..])
        {
            yield return $"{name} is '{path}'; it must begin with '/'.";
        }
        else if (path.Contains('?', StringComparison.Ordinal) || path.Contains('#', StringComparison.Ordinal))
        {
            yield return $"{name} is '{path}'; a path has no '?' or '#': encode them as %3F and %23, and set the query by {nameof(SetQuery)}.";
        }
        else if (!EncodedPath.IsSafe(path))
        {
            yield return $"{name} is '{path}'; write it percent-encoded (a space as %20), without '.' and '..' segments.";
        }
    }
}
