using Microsoft.AspNetCore.Http;

namespace ProxyKit.Forwarding;

/// <summary>Keeps requests together by a field.</summary>
/// <param name="Name">The field's name, such as <c>X-User</c>.</param>
public sealed record HeaderKey(string Name) : HashKey, IValidatable
{
    /// <inheritdoc/>
    public override ulong? Of(HttpContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        var values = context.Request.Headers[Name];
        return values.Count == 1 ? KeyHash.Of(values[0].AsSpan()) : KeyHash.Of(values.ToString().AsSpan());
    }

    /// <inheritdoc/>
    public IEnumerable<string> Faults() => KeyFaults.OfToken(Name, "field");
}

/// <summary>Keeps requests together by a cookie.</summary>
/// <param name="Name">The cookie's name; letter case counts.</param>
public sealed record CookieKey(string Name) : HashKey, IValidatable
{
    /// <inheritdoc/>
    public override ulong? Of(HttpContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        return CookieField.TryFind(context.Request.Headers.Cookie, Name, out var value) ? KeyHash.Of(value) : null;
    }

    /// <inheritdoc/>
    public IEnumerable<string> Faults() => KeyFaults.OfToken(Name, "cookie");
}

/// <summary>Keeps requests for one path together, whatever their query: for caches behind the gateway.</summary>
public sealed record PathKey : HashKey
{
    /// <inheritdoc/>
    public override ulong? Of(HttpContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        return KeyHash.Of(context.Request.Path.Value.AsSpan());
    }
}

/// <summary>Keeps requests together by a parameter of their query.</summary>
/// <param name="Name">The parameter's name, not encoded. Its letters match in either case, and the first of several counts.</param>
public sealed record QueryKey(string Name) : HashKey, IValidatable
{
    /// <inheritdoc/>
    public override ulong? Of(HttpContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        var query = context.Request.QueryString.Value.AsSpan().TrimStart('?');
        foreach (var range in query.Split('&'))
        {
            var pair = query[range];
            var equals = pair.IndexOf('=');
            if (IsNamed(equals < 0 ? pair : pair[..equals]))
            {
                return equals < 0 ? null : Hash(pair[(equals + 1)..]);
            }
        }

        return null;
    }

    /// <inheritdoc/>
    public IEnumerable<string> Faults()
    {
        if (string.IsNullOrEmpty(Name))
        {
            yield return $"{nameof(Name)} is empty; write the name of a parameter.";
        }
    }

    private bool IsNamed(ReadOnlySpan<char> name) =>
        name.ContainsAny('%', '+') ? Decoded(name).Equals(Name, StringComparison.OrdinalIgnoreCase) : name.Equals(Name, StringComparison.OrdinalIgnoreCase);

    // Encoded or not, a value is the same key.
    private static ulong? Hash(ReadOnlySpan<char> value) => KeyHash.Of(value.ContainsAny('%', '+') ? Decoded(value).AsSpan() : value);

    private static string Decoded(ReadOnlySpan<char> text) => Uri.UnescapeDataString(text.ToString().Replace('+', ' '));
}

/// <summary>Keeps requests together by a value of their route, such as <c>tenant</c> of <c>/{tenant}/{**rest}</c>.</summary>
/// <param name="Name">The value's name in the route's pattern.</param>
public sealed record RouteValueKey(string Name) : HashKey, IValidatable
{
    /// <inheritdoc/>
    public override ulong? Of(HttpContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        return KeyHash.Of(context.Request.RouteValues.GetValueOrDefault(Name));
    }

    /// <inheritdoc/>
    public IEnumerable<string> Faults()
    {
        if (string.IsNullOrWhiteSpace(Name))
        {
            yield return $"{nameof(Name)} is empty; write the name of a value of the route.";
        }
    }
}

/// <summary>Keeps requests together by what a delegate says of them.</summary>
/// <param name="Find">Gives the key; null where a request has none. It must give the same in every process, so never <see cref="object.GetHashCode"/> of a string.</param>
public sealed record DelegateKey(Func<HttpContext, ulong?> Find) : HashKey
{
    /// <summary>A key from a text, hashed as all keys are; null where a request has none.</summary>
    public static DelegateKey OfText(Func<HttpContext, string?> find)
    {
        ArgumentNullException.ThrowIfNull(find);
        return new(context => KeyHash.Of(find(context).AsSpan()));
    }

    /// <inheritdoc/>
    public override ulong? Of(HttpContext context) => Find(context);
}

/// <summary>What is wrong with names of keys.</summary>
internal static class KeyFaults
{
    public static IEnumerable<string> OfToken(string? name, string what)
    {
        if (!HeaderText.IsToken(name))
        {
            yield return $"Name is '{name}'; write the name of a {what}: letters, digits and '-'.";
        }
    }
}
