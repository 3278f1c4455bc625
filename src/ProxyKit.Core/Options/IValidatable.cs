namespace ProxyKit;

/// <summary>Options that can tell what is wrong with them.</summary>
public interface IValidatable
{
    /// <summary>One sentence for each fault, naming the property, its value and what would be right; none where all is well.</summary>
    IEnumerable<string> Faults();
}

/// <summary>Judges options where they are handed over, so that the stack trace ends at the line that is wrong.</summary>
public static class Validation
{
    /// <summary>Returns <paramref name="options"/>, or throws all of their faults together.</summary>
    /// <exception cref="ArgumentException">They have faults; the message lists every one.</exception>
    public static T Valid<T>(this T options)
        where T : IValidatable
    {
        ArgumentNullException.ThrowIfNull(options);
        var faults = options.Faults().ToList();
        return faults.Count == 0
            ? options
            : throw new ArgumentException($"{options.GetType().Name}: {string.Join(" ", faults)}", nameof(options));
    }

    /// <summary>What to keep of <paramref name="options"/>: their copy where they are <see cref="ICopyable{TSelf}"/>, judged where they are <see cref="IValidatable"/>.</summary>
    /// <exception cref="ArgumentException">They have faults; the message lists every one.</exception>
    public static T Frozen<T>(this T options)
        where T : class
    {
        ArgumentNullException.ThrowIfNull(options);
        var own = (options as ICopyable<T>)?.Copy() ?? options;
        (own as IValidatable)?.Valid();
        return own;
    }
}
