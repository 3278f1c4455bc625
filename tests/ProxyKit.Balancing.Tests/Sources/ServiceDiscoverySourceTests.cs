using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.ServiceDiscovery;

namespace ProxyKit.Balancing.Tests.Sources;

public class ServiceDiscoverySourceTests
{
    [Fact]
    public async Task Endpoints_are_taken_and_taken_again_when_they_change()
    {
        var configuration = new ConfigurationManager();
        configuration["Services:orders:http:0"] = "10.0.0.1:8080";
        configuration["Services:orders:http:1"] = "http://orders-2:8081";
        await using var services = new ServiceCollection().AddSingleton<IConfiguration>(configuration).AddServiceDiscovery().BuildServiceProvider();
        var source = new ServiceDiscoverySource(services.GetRequiredService<ServiceEndpointResolver>(), "orders");
        await using var sets = new Watching(source);
        await sets.NextAsync();
        Assert.Equal(["http://10.0.0.1:8080/", "http://orders-2:8081/"], sets.Current.Select(destination => destination.Address.ToString()).Order());

        var next = sets.NextAsync();
        configuration["Services:orders:http:1"] = "10.0.0.3:8080";
        ((IConfigurationRoot)configuration).Reload();
        await next;
        while (sets.Current.All(destination => destination.Name != "10.0.0.3:8080"))
        {
            await sets.NextAsync();
        }
    }

    [Fact]
    public async Task Sources_of_one_resolver_and_service_are_equal()
    {
        await using var services = new ServiceCollection().AddSingleton<IConfiguration>(new ConfigurationManager()).AddServiceDiscovery().BuildServiceProvider();
        var resolver = services.GetRequiredService<ServiceEndpointResolver>();
        Assert.Equal(new ServiceDiscoverySource(resolver, "orders"), new ServiceDiscoverySource(resolver, "orders"));
    }
}
