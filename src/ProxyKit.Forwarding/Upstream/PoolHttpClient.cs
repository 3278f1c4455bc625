namespace ProxyKit.Forwarding;

/// <summary>Says that the host has composed the client of a pool.</summary>
/// <param name="Name">The client's name.</param>
public sealed record PoolHttpClient(string Name)
{
    /// <summary>The name by which <see cref="IHttpClientFactory"/> knows a pool's client.</summary>
    public static string NameOf(string pool) => $"ProxyKit.{pool}";
}
