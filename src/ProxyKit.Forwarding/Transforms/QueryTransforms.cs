using System.Text;

namespace ProxyKit.Forwarding;

/// <summary>Sets a parameter of the query, in place of all of that name.</summary>
/// <param name="Name">The parameter's name, not encoded. Its letters match in either case, as they do in ASP.NET Core.</param>
/// <param name="Value">The parameter's value, not encoded.</param>
public sealed record SetQuery(string Name, string Value) : IRequestTransform, IValidatable
{
    /// <inheritdoc/>
    public ValueTask ApplyAsync(RequestTransformContext context, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(context);
        context.Query = EncodedQuery.With(EncodedQuery.Where(context.Query, name => !EncodedQuery.Is(name, Name)), Name, Value);
        return ValueTask.CompletedTask;
    }

    /// <inheritdoc/>
    public IEnumerable<string> Faults() => EncodedQuery.Faults(Name, Value);
}

/// <summary>Adds a parameter to the query.</summary>
/// <param name="Name">The parameter's name, not encoded.</param>
/// <param name="Value">The parameter's value, not encoded.</param>
public sealed record AppendQuery(string Name, string Value) : IRequestTransform, IValidatable
{
    /// <inheritdoc/>
    public ValueTask ApplyAsync(RequestTransformContext context, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(context);
        context.Query = EncodedQuery.With(context.Query, Name, Value);
        return ValueTask.CompletedTask;
    }

    /// <inheritdoc/>
    public IEnumerable<string> Faults() => EncodedQuery.Faults(Name, Value);
}

/// <summary>Takes every parameter of a name out of the query, however it is encoded.</summary>
/// <param name="Name">The parameter's name, not encoded. Its letters match in either case.</param>
public sealed record RemoveQuery(string Name) : IRequestTransform, IValidatable
{
    /// <inheritdoc/>
    public ValueTask ApplyAsync(RequestTransformContext context, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(context);
        context.Query = EncodedQuery.Where(context.Query, name => !EncodedQuery.Is(name, Name));
        return ValueTask.CompletedTask;
    }

    /// <inheritdoc/>
    public IEnumerable<string> Faults() => EncodedQuery.Faults(Name, "");
}

/// <summary>Takes every parameter out of the query but those named.</summary>
public sealed record KeepQuery : IRequestTransform, IValidatable
{
    /// <summary>Keeps the parameters of those names, not encoded; their letters match in either case.</summary>
    public KeepQuery(params IEnumerable<string> names) => Names = [.. names];

    /// <summary>What is kept.</summary>
    public IReadOnlyList<string> Names { get; }

    /// <inheritdoc/>
    public ValueTask ApplyAsync(RequestTransformContext context, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(context);
        context.Query = EncodedQuery.Where(context.Query, name => Names.Any(kept => EncodedQuery.Is(name, kept)));
        return ValueTask.CompletedTask;
    }

    /// <inheritdoc/>
    public IEnumerable<string> Faults() => Names.SelectMany(name => EncodedQuery.Faults(name, ""));

    /// <inheritdoc/>
    public bool Equals(KeepQuery? other) => other is not null && Names.SequenceEqual(other.Names);

    /// <inheritdoc/>
    public override int GetHashCode() => Names.Count;
}

/// <summary>Changes queries as they are, percent-encoded, leaving the order and text of what stays.</summary>
internal static class EncodedQuery
{
    public static IEnumerable<string> Faults(string? name, string? value)
    {
        if (string.IsNullOrEmpty(name))
        {
            yield return "Name is empty; write the name of a parameter.";
        }

        if (value is null)
        {
            yield return $"Value of '{name}' is null; write a text, which may be empty.";
        }
    }

    /// <summary>Whether the name, percent-encoded or with <c>+</c> for spaces, is that one.</summary>
    public static bool Is(string encoded, string name) => Decoded(encoded).Equals(name, StringComparison.OrdinalIgnoreCase);

    /// <summary>The query with those parameters only whose name is wanted.</summary>
    public static string Where(string query, Func<string, bool> isWanted)
    {
        if (query.Length <= 1)
        {
            return "";
        }

        var kept = new StringBuilder();
        foreach (var range in query.AsSpan(1).Split('&'))
        {
            var pair = query.AsSpan(1)[range];
            var equals = pair.IndexOf('=');
            if (!pair.IsEmpty && isWanted((equals < 0 ? pair : pair[..equals]).ToString()))
            {
                kept.Append(kept.Length == 0 ? '?' : '&').Append(pair);
            }
        }

        return kept.ToString();
    }

    /// <summary>The query with a parameter more.</summary>
    public static string With(string query, string name, string value) =>
        $"{query}{(query.Length == 0 ? "?" : query is "?" || query.EndsWith('&') ? "" : "&")}{Uri.EscapeDataString(name)}={Uri.EscapeDataString(value)}";

    private static string Decoded(string text) =>
        text.AsSpan().ContainsAny('%', '+') ? Uri.UnescapeDataString(text.Replace('+', ' ')) : text;
}
