using System.Collections.Immutable;

namespace ProxyKit;

/// <summary>How a pool is set up: its policy, and the settings that each package keeps in it by type. It never changes; a reload brings another.</summary>
public sealed class PoolSettings
{
    /// <summary>Power of two choices and nothing else.</summary>
    /// <remarks>Values are compared by reference: setting one that equals the one before must still replace it, or its state would go to the wrong object.</remarks>
    public static readonly PoolSettings Default = new(new PowerOfTwo(), ImmutableDictionary.Create<Type, object>(null, ReferenceEqualityComparer.Instance));

    private readonly ImmutableDictionary<Type, object> _settings;

    private PoolSettings(IBalancingPolicy policy, ImmutableDictionary<Type, object> settings) => (Policy, _settings) = (policy, settings);

    /// <summary>How members are chosen.</summary>
    public IBalancingPolicy Policy { get; }

    /// <summary>The settings of that type; null where none were set.</summary>
    public T? Get<T>()
        where T : class => (T?)_settings.GetValueOrDefault(typeof(T));

    /// <summary>The same with <paramref name="settings"/> in place of any of that type, copied where they can be (<see cref="ICopyable{TSelf}"/>).</summary>
    /// <exception cref="ArgumentException">They have faults; the message lists every one.</exception>
    public PoolSettings With<T>(T settings)
        where T : class
    {
        var own = settings.Frozen();

        // A policy or source written by its own type lands here too, and means what it means by its interface.
        return own is IBalancingPolicy policy
            ? new(policy, _settings)
            : new(Policy, _settings.SetItem(own is IDestinationSource ? typeof(IDestinationSource) : typeof(T), own));
    }

    /// <summary>The same with another policy.</summary>
    /// <exception cref="ArgumentException">It has faults; the message lists every one.</exception>
    public PoolSettings With(IBalancingPolicy policy) => new(policy.Frozen(), _settings);
}
