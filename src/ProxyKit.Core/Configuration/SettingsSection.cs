using System.Diagnostics.CodeAnalysis;

using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;

namespace ProxyKit;

/// <summary>A part of a pool's section in configuration: its key, and how it becomes settings.</summary>
public abstract class SettingsSection
{
    private protected SettingsSection(string key) => Key = key;

    /// <summary>The key below the pool, such as <c>Retries</c>.</summary>
    public string Key { get; }

    /// <summary>The settings with what <paramref name="section"/> says in them; each fault is added to <paramref name="faults"/>.</summary>
    internal abstract PoolSettings Read(IConfigurationSection section, PoolSettings settings, IServiceProvider services, ICollection<string> faults);
}

/// <summary>Lets configuration say what code composes.</summary>
public static class SettingsSectionExtensions
{
    /// <summary>Lets a pool's section have a part named <paramref name="key"/> that fills options of type <typeparamref name="T"/>.</summary>
    /// <param name="services">The host's services.</param>
    /// <param name="key">The key below the pool.</param>
    /// <param name="bind">Fills the options: <c>static (section, options) => section.Bind(options)</c>, written where the binder's source generator sees the type.</param>
    public static IServiceCollection AddSettingsSection<[DynamicallyAccessedMembers(DynamicallyAccessedMemberTypes.PublicProperties)] T>(
        this IServiceCollection services, string key, Action<IConfigurationSection, T> bind)
        where T : class, IValidatable, new() => services.AddSingleton<SettingsSection>(new OptionsSection<T>(key, bind));

    /// <summary>Lets a pool's section have a part named <paramref name="key"/> that <paramref name="read"/> turns into settings, faults told through <see cref="FormatException"/>.</summary>
    public static IServiceCollection AddSettingsSection(
        this IServiceCollection services, string key, Func<IConfigurationSection, PoolSettings, IServiceProvider, PoolSettings> read) =>
        services.AddSingleton<SettingsSection>(new CustomSection(key, read));

    private sealed class OptionsSection<[DynamicallyAccessedMembers(DynamicallyAccessedMemberTypes.PublicProperties)] T>(
        string key, Action<IConfigurationSection, T> bind) : SettingsSection(key)
        where T : class, IValidatable, new()
    {
        internal override PoolSettings Read(IConfigurationSection section, PoolSettings settings, IServiceProvider services, ICollection<string> faults) =>
            ConfigurationReader.TryRead(section, bind, faults, out var options) ? settings.With(options) : settings;
    }

    private sealed class CustomSection(string key, Func<IConfigurationSection, PoolSettings, IServiceProvider, PoolSettings> read) : SettingsSection(key)
    {
        internal override PoolSettings Read(IConfigurationSection section, PoolSettings settings, IServiceProvider services, ICollection<string> faults)
        {
            try
            {
                return read(section, settings, services);
            }
            catch (Exception fault) when (fault is FormatException or ArgumentException or InvalidOperationException)
            {
                faults.Add(fault is FormatException ? fault.Message : $"{section.Path}: {fault.Message}");
                return settings;
            }
        }
    }
}
