using Microsoft.AspNetCore.Http;

namespace ProxyKit.Forwarding;

/// <summary>Sets a field of the response, in place of all of that name.</summary>
/// <param name="Name">The field's name.</param>
/// <param name="Value">The field's value.</param>
public sealed record SetResponseHeader(string Name, string Value) : IResponseTransform, IValidatable
{
    /// <inheritdoc/>
    public ValueTask ApplyAsync(ResponseTransformContext context, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(context);
        context.HttpContext.Response.Headers[Name] = Value;
        return ValueTask.CompletedTask;
    }

    /// <inheritdoc/>
    public IEnumerable<string> Faults() => [.. HeaderText.NameFaults(Name), .. HeaderText.ValueFaults(Name, Value)];

    /// <inheritdoc/>
    public override string ToString() => $"{nameof(SetResponseHeader)} {Name}";
}

/// <summary>Adds a value to a field of the response, as a line of its own.</summary>
/// <param name="Name">The field's name; it must be one that may have several values.</param>
/// <param name="Value">The value.</param>
public sealed record AppendResponseHeader(string Name, string Value) : IResponseTransform, IValidatable
{
    /// <inheritdoc/>
    public ValueTask ApplyAsync(ResponseTransformContext context, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(context);
        context.HttpContext.Response.Headers.Append(Name, Value);
        return ValueTask.CompletedTask;
    }

    /// <inheritdoc/>
    public IEnumerable<string> Faults() => [.. HeaderText.NameFaults(Name), .. HeaderText.ValueFaults(Name, Value)];

    /// <inheritdoc/>
    public override string ToString() => $"{nameof(AppendResponseHeader)} {Name}";
}

/// <summary>Takes a field out of the response.</summary>
/// <param name="Name">The field's name.</param>
public sealed record RemoveResponseHeader(string Name) : IResponseTransform, IValidatable
{
    /// <inheritdoc/>
    public ValueTask ApplyAsync(ResponseTransformContext context, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(context);
        context.HttpContext.Response.Headers.Remove(Name);
        return ValueTask.CompletedTask;
    }

    /// <inheritdoc/>
    public IEnumerable<string> Faults() => HeaderText.NameFaults(Name);
}
