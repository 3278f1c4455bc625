using System.Diagnostics.CodeAnalysis;

using Microsoft.Extensions.Configuration;

namespace ProxyKit;

/// <summary>Reads options from configuration strictly: an unknown key, a bad value and a fault of the options are each told with their path.</summary>
public static class ConfigurationReader
{
    /// <summary>Reads options of type <typeparamref name="T"/>; adds every fault to <paramref name="faults"/> and returns false where there are any.</summary>
    /// <param name="section">The section that holds them.</param>
    /// <param name="bind">Fills them: <c>static (section, options) => section.Bind(options)</c>.</param>
    /// <param name="faults">Gets one sentence for each fault.</param>
    /// <param name="options">The options, where there was no fault.</param>
    /// <param name="alsoKnown">Keys that belong there beside the properties of the options.</param>
    public static bool TryRead<[DynamicallyAccessedMembers(DynamicallyAccessedMemberTypes.PublicProperties)] T>(
        IConfigurationSection section, Action<IConfigurationSection, T> bind, ICollection<string> faults, [NotNullWhen(true)] out T? options, params ReadOnlySpan<string> alsoKnown)
        where T : class, IValidatable, new()
    {
        ArgumentNullException.ThrowIfNull(section);
        ArgumentNullException.ThrowIfNull(bind);
        ArgumentNullException.ThrowIfNull(faults);
        var before = faults.Count;
        string[] known = [.. typeof(T).GetProperties().Where(property => property.CanWrite).Select(property => property.Name), .. alsoKnown];
        CheckKeys(section, known, faults);
        options = new T();
        try
        {
            bind(section, options);
        }
        catch (InvalidOperationException fault)
        {
            faults.Add($"{section.Path}: {fault.Message}{(fault.InnerException is { } inner ? $" {inner.Message}" : "")}");
        }

        foreach (var fault in options.Faults())
        {
            faults.Add($"{section.Path}: {fault}");
        }

        options = faults.Count == before ? options : null;
        return options is not null;
    }

    /// <summary>Adds a fault for each key of <paramref name="section"/> that is not one of <paramref name="known"/>, with the nearest that is.</summary>
    public static void CheckKeys(IConfiguration section, IReadOnlyCollection<string> known, ICollection<string> faults)
    {
        ArgumentNullException.ThrowIfNull(section);
        ArgumentNullException.ThrowIfNull(faults);
        foreach (var child in section.GetChildren())
        {
            if (!known.Contains(child.Key, StringComparer.OrdinalIgnoreCase))
            {
                faults.Add(Unknown(child.Path, child.Key, known));
            }
        }
    }

    /// <summary>The sentence for a name that is not known: it says which is nearest, or all there are.</summary>
    public static string Unknown(string path, string name, IReadOnlyCollection<string> known)
    {
        ArgumentNullException.ThrowIfNull(name);
        ArgumentNullException.ThrowIfNull(known);
        var nearest = known.MinBy(other => Distance(name, other));
        return nearest is not null && Distance(name, nearest) <= Math.Max(2, name.Length / 3)
            ? $"{path} is not known; did you mean '{nearest}'?"
            : $"{path} is not known; there are: {string.Join(", ", known.Order(StringComparer.Ordinal))}.";
    }

    // Levenshtein's distance, letter case aside.
    private static int Distance(string a, string b)
    {
        var row = Enumerable.Range(0, b.Length + 1).ToArray();
        for (var i = 1; i <= a.Length; i++)
        {
            var diagonal = row[0];
            row[0] = i;
            for (var j = 1; j <= b.Length; j++)
            {
                var substitution = diagonal + (char.ToUpperInvariant(a[i - 1]) == char.ToUpperInvariant(b[j - 1]) ? 0 : 1);
                diagonal = row[j];
                row[j] = Math.Min(substitution, 1 + Math.Min(row[j], row[j - 1]));
            }
        }

        return row[b.Length];
    }
}
