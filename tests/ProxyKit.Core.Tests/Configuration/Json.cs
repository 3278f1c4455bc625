using System.Text;

using Microsoft.Extensions.Configuration;

namespace ProxyKit.Tests.Configuration;

/// <summary>Configuration that a test writes as JSON, and may write anew while it is in use.</summary>
internal sealed class Json : ConfigurationProvider, IConfigurationSource
{
    public Json(string text)
    {
        Load(text);
        Root = new ConfigurationBuilder().Add(this).Build();
    }

    public IConfigurationRoot Root { get; }

    public static IConfigurationSection Section(string text) => new Json($$"""{ "S": {{text}} }""").Root.GetSection("S");

    public void Rewrite(string text)
    {
        Load(text);
        OnReload();
    }

    public IConfigurationProvider Build(IConfigurationBuilder builder) => this;

    private void Load(string text) => Data = new ConfigurationBuilder()
        .AddJsonStream(new MemoryStream(Encoding.UTF8.GetBytes(text)))
        .Build()
        .AsEnumerable()
        .ToDictionary(StringComparer.OrdinalIgnoreCase);
}
