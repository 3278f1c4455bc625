namespace ProxyKit.Health;

/// <summary>Composes the health of pools.</summary>
public static partial class HealthBuilderExtensions
{
}
