using System.Reflection;
using System.Runtime.CompilerServices;

namespace ProxyKit.Architecture.Tests;

/// <summary>The binder that works ahead of time passes over <c>init</c>, so options that configuration fills must have plain setters.</summary>
public sealed class OptionsTests
{
    [Fact]
    public void Options_have_setters_that_configuration_can_reach()
    {
        var unreachable =
            from package in Repository.Packages
            from type in Repository.Load(package).GetTypes()
            where type.IsAssignableTo(typeof(IValidatable)) && type.Name.EndsWith("Options", StringComparison.Ordinal)
            from property in type.GetProperties(BindingFlags.Public | BindingFlags.Instance)
            where property.SetMethod is { } setter
                && (!setter.IsPublic || setter.ReturnParameter.GetRequiredCustomModifiers().Contains(typeof(IsExternalInit)))
            select $"{type.Name}.{property.Name}";
        Assert.Empty(unreachable);
    }
}
