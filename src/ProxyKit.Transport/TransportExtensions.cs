using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;

namespace ProxyKit.Transport;

/// <summary>The preset for hosts that are gateways and little else.</summary>
public static class TransportExtensions
{
    /// <summary>
    /// Runs requests on the threads that wait for the sockets, without a hop to the thread pool. Call it before anything in the process
    /// has used a socket: first in <c>Program.cs</c>.
    /// </summary>
    /// <remarks>
    /// It holds for the whole process, the connections to backends and those of other libraries included. Code that blocks then stalls every
    /// connection of its socket thread, so add it only where no handler, filter or middleware blocks, and measure large bodies before and after.
    /// </remarks>
    public static IWebHostBuilder UseProxyKitTransport(this IWebHostBuilder builder)
    {
        ArgumentNullException.ThrowIfNull(builder);
        var state = InlineCompletions.Ask();
        return builder.ConfigureServices(services =>
        {
            services.Configure<SocketTransportOptions>(sockets =>
            {
                sockets.UnsafePreferInlineScheduling = true;
                sockets.WaitForDataBeforeAllocatingBuffer = false;
            });
            services.TryAddSingleton(new AskedCompletions(state));
            services.TryAddEnumerable(ServiceDescriptor.Singleton<IHostedService, LateWarning>());
        });
    }
}
