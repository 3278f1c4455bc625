using System.Collections;
using System.Diagnostics.CodeAnalysis;
using System.Reflection;
using System.Runtime.CompilerServices;

using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Primitives;

namespace ProxyKit;

/// <summary>Reads options from configuration strictly: an unknown key, a bad value and a fault of the options are each told with their path.</summary>
public static class ConfigurationReader
{
    /// <summary>Reads options of type <typeparamref name="T"/>; adds every fault to <paramref name="faults"/> and returns false where there are any.</summary>
    /// <remarks>What a section says of a list, set or dictionary takes the place of its default and never joins it.</remarks>
    /// <param name="section">The section that holds them.</param>
    /// <param name="bind">Fills them: <c>static (section, options) => section.Bind(options)</c>. Called for each property by itself.
    /// Options that hold further objects say <c>section.Bind(options, static binder => binder.ErrorOnUnknownConfiguration = true)</c>, and unknown keys of those are faults too.</param>
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
        PropertyInfo[] properties = [.. typeof(T).GetProperties().Where(IsBound)];
        string[] known = [.. properties.Select(property => property.Name), .. alsoKnown];
        CheckObject(section, known, faults);
        CheckKeys(section, known, faults);
        options = new T();
        var said = section.GetChildren().ToList();
        foreach (var property in properties)
        {
            if (said.Find(child => child.Key.Equals(property.Name, StringComparison.OrdinalIgnoreCase)) is { } child)
            {
                Bind(section, child, property, bind, options, faults);
            }
        }

        // Half-read options would be judged for what was not read.
        if (faults.Count == before)
        {
            foreach (var fault in options.Faults())
            {
                faults.Add($"{section.Path}: {fault}");
            }
        }

        options = faults.Count == before ? options : null;
        return options is not null;
    }

    /// <summary>Adds a fault where <paramref name="section"/> is a single value and not what holds keys: it would be read as empty.</summary>
    public static void CheckObject(IConfiguration section, IReadOnlyCollection<string> known, ICollection<string> faults)
    {
        ArgumentNullException.ThrowIfNull(known);
        ArgumentNullException.ThrowIfNull(faults);
        if (section is IConfigurationSection { Value: { Length: > 0 } value } single && !single.GetChildren().Any())
        {
            faults.Add($"{single.Path} is '{value}'; it must hold keys{(known.Count == 0 ? "" : $", of: {string.Join(", ", known.Order(StringComparer.Ordinal))}")}.");
        }
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

    // The generated binder passes over init accessors in silence; such a key must count as unknown.
    private static bool IsBound(PropertyInfo property) =>
        property is { CanRead: true, SetMethod: { IsPublic: true, IsStatic: false } set } && !set.ReturnParameter.GetRequiredCustomModifiers().Contains(typeof(IsExternalInit));

    // Key by key, since the binder stops at the first value that it cannot read.
    private static void Bind<T>(
        IConfigurationSection section, IConfigurationSection child, PropertyInfo property, Action<IConfigurationSection, T> bind, T options, ICollection<string> faults)
    {
        // The binder adds to a list that is there; what is written should be all of it.
        var several = property.PropertyType != typeof(string) && typeof(IEnumerable).IsAssignableFrom(property.PropertyType);
        var byDefault = several ? property.GetValue(options) : null;
        if (several)
        {
            property.SetValue(options, null);
        }

        try
        {
            bind(new OneKey(section, child), options);
        }
        catch (InvalidOperationException fault)
        {
            faults.Add($"{section.Path}: {fault.Message}{(fault.InnerException is { } inner ? $" {inner.Message}" : "")}");
            return;
        }

        var isEmpty = string.IsNullOrEmpty(child.Value);
        if (several && isEmpty && property.GetValue(options) is null && Clear(byDefault))
        {
            property.SetValue(options, byDefault); // of an empty set or dictionary the binder makes nothing
        }
        else if (several && (property.GetValue(options) is null || !isEmpty))
        {
            faults.Add($"{child.Path} is '{child.Value}'; it must hold a list of values, or be left out for the default.");
        }
    }

    private static bool Clear(object? several)
    {
        switch (several)
        {
            case IDictionary { IsReadOnly: false } pairs:
                pairs.Clear();
                return true;
            case ICollection<string> { IsReadOnly: false } texts:
                texts.Clear();
                return true;
            case ICollection<int> { IsReadOnly: false } numbers:
                numbers.Clear();
                return true;
            default:
                return false;
        }
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

    /// <summary>A section as if it held one key alone.</summary>
    private sealed class OneKey(IConfigurationSection section, IConfigurationSection only) : IConfigurationSection
    {
        public string Key => section.Key;

        public string Path => section.Path;

        public string? Value
        {
            get => null;
            set => section.Value = value;
        }

        public string? this[string key]
        {
            get => IsOnly(key) ? section[key] : null;
            set => section[key] = value;
        }

        public IEnumerable<IConfigurationSection> GetChildren() => [only];

        public IChangeToken GetReloadToken() => section.GetReloadToken();

        public IConfigurationSection GetSection(string key) => IsOnly(key) ? section.GetSection(key) : Nothing.GetSection(key);

        private static readonly ConfigurationRoot Nothing = new ConfigurationRoot([]);

        private bool IsOnly(string key) => key.Equals(only.Key, StringComparison.OrdinalIgnoreCase);
    }
}
