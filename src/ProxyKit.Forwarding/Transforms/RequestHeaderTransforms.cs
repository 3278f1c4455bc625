using System.Net.Http.Headers;

namespace ProxyKit.Forwarding;

/// <summary>Sets a field of the request, in place of all of that name. It cannot be stripped or forged by a client.</summary>
/// <param name="Name">The field's name; <c>Host</c> too.</param>
/// <param name="Value">The field's value; never logged.</param>
public sealed record SetRequestHeader(string Name, string Value) : IRequestTransform, IValidatable
{
    /// <inheritdoc/>
    public ValueTask ApplyAsync(RequestTransformContext context, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(context);
        RequestFields.Set(context.Request, Name, Value);
        return ValueTask.CompletedTask;
    }

    /// <inheritdoc/>
    public IEnumerable<string> Faults() => [.. HeaderText.NameFaults(Name), .. HeaderText.ValueFaults(Name, Value)];

    /// <inheritdoc/>
    public override string ToString() => $"{nameof(SetRequestHeader)} {Name}";
}

/// <summary>Adds a value to a field of the request.</summary>
/// <param name="Name">The field's name; it must be one that may have several values.</param>
/// <param name="Value">The value; never logged.</param>
public sealed record AppendRequestHeader(string Name, string Value) : IRequestTransform, IValidatable
{
    /// <inheritdoc/>
    public ValueTask ApplyAsync(RequestTransformContext context, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(context);
        RequestFields.Add(context.Request, Name, Value);
        return ValueTask.CompletedTask;
    }

    /// <inheritdoc/>
    public IEnumerable<string> Faults() => [.. HeaderText.NameFaults(Name), .. HeaderText.ValueFaults(Name, Value), .. SingleFaults()];

    /// <inheritdoc/>
    public override string ToString() => $"{nameof(AppendRequestHeader)} {Name}";

    // A second value would make two readings of one request.
    private IEnumerable<string> SingleFaults()
    {
        if (Name is not null && (Name.Equals("Host", StringComparison.OrdinalIgnoreCase) || Name.Equals("Authorization", StringComparison.OrdinalIgnoreCase)
            || Name.Equals("Content-Type", StringComparison.OrdinalIgnoreCase)))
        {
            yield return $"Name is '{Name}'; that field has one value, so set it by {nameof(SetRequestHeader)}.";
        }
    }
}

/// <summary>Takes a field out of the request.</summary>
/// <param name="Name">The field's name.</param>
public sealed record RemoveRequestHeader(string Name) : IRequestTransform, IValidatable
{
    /// <inheritdoc/>
    public ValueTask ApplyAsync(RequestTransformContext context, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(context);
        RequestFields.Remove(context.Request, Name);
        return ValueTask.CompletedTask;
    }

    /// <inheritdoc/>
    public IEnumerable<string> Faults() => HeaderText.NameFaults(Name);
}

/// <summary>Finds the place of a field: <c>HttpRequestMessage</c> keeps those of the content apart.</summary>
internal static class RequestFields
{
    public static void Set(HttpRequestMessage request, string name, string value)
    {
        Remove(request, name);
        Add(request, name, value);
    }

    public static void Add(HttpRequestMessage request, string name, string value)
    {
        // A request without content gets an empty one to carry, say, Content-Type; its length is 0 and says so.
        if (!request.Headers.TryAddWithoutValidation(name, value))
        {
            (request.Content ??= new EmptyContent()).Headers.TryAddWithoutValidation(name, value);
        }
    }

    public static void Remove(HttpRequestMessage request, string name)
    {
        if (!TryRemove(request.Headers, name) && request.Content is { } content)
        {
            TryRemove(content.Headers, name);
        }
    }

    // Asked of the wrong collection, Remove throws; the non-validated view does not.
    private static bool TryRemove(HttpHeaders headers, string name) => headers.NonValidated.Contains(name) && headers.Remove(name);
}
