using System.Text;

using Microsoft.AspNetCore.Http;

namespace ProxyKit.Forwarding;

/// <summary>Sets the <c>Authorization</c> that destinations see, in place of the client's own. The secret is in no log, fault or text.</summary>
public sealed record BackendAuthorization : IRequestTransform, IValidatable
{
    private readonly string? _value;
    private readonly Func<HttpContext, CancellationToken, ValueTask<string?>>? _find;

    /// <summary>Always the same: <paramref name="scheme"/>, such as <c>Bearer</c>, and <paramref name="parameter"/>, such as a token.</summary>
    public BackendAuthorization(string scheme, string parameter)
    {
        Scheme = scheme;
        _value = $"{scheme} {parameter}";
    }

    /// <summary>Found for each attempt; where <paramref name="find"/> gives null, the destination sees none.</summary>
    /// <param name="find">Gives the whole value, such as <c>Bearer …</c>. What it waits for, the client waits for.</param>
    public BackendAuthorization(Func<HttpContext, CancellationToken, ValueTask<string?>> find) => _find = find;

    /// <summary>The scheme; null where the value is found for each attempt.</summary>
    public string? Scheme { get; }

    /// <summary>The <c>Basic</c> scheme (RFC 7617), in UTF-8.</summary>
    public static BackendAuthorization Basic(string user, string password) =>
        new("Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes($"{user}:{password}")));

    /// <inheritdoc/>
    public ValueTask ApplyAsync(RequestTransformContext context, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(context);
        if (_find is not null)
        {
            return FindAsync(context, cancellationToken);
        }

        RequestFields.Set(context.Request, "Authorization", _value!);
        return ValueTask.CompletedTask;
    }

    /// <inheritdoc/>
    public IEnumerable<string> Faults()
    {
        if (_find is not null)
        {
            yield break;
        }

        if (!HeaderText.IsToken(Scheme))
        {
            yield return $"{nameof(Scheme)} is '{Scheme}'; write a scheme such as 'Bearer' or 'Basic'.";
        }

        if (_value is null || !HeaderText.IsValue(_value) || _value.EndsWith(' '))
        {
            yield return "The parameter is empty, or holds CR, LF, NUL or a character beyond U+00FF; write one line of Latin-1.";
        }
    }

    /// <inheritdoc/>
    public bool Equals(BackendAuthorization? other) => other is not null && _value == other._value && _find == other._find;

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Scheme, _find);

    /// <inheritdoc/>
    public override string ToString() => $"{nameof(BackendAuthorization)} {Scheme ?? "found for each attempt"}";

    private async ValueTask FindAsync(RequestTransformContext context, CancellationToken cancellationToken)
    {
        var value = await _find!(context.HttpContext, cancellationToken);
        RequestFields.Remove(context.Request, "Authorization");
        if (value is not null)
        {
            RequestFields.Add(context.Request, "Authorization", HeaderText.IsValue(value)
                ? value
                : throw new InvalidOperationException($"What was found for {nameof(BackendAuthorization)} holds CR, LF, NUL or a character beyond U+00FF."));
        }
    }
}
