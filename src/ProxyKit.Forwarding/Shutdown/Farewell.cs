using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;

namespace ProxyKit.Forwarding;

/// <summary>Says with an answer that the gateway leaves, so that nothing more is sent over the same connection.</summary>
internal static class Farewell
{
    /// <summary>Says it, where the answer's head has not gone yet.</summary>
    /// <remarks>RFC 9112 §9.6; RFC 9113 §6.8: the server says <c>GOAWAY</c>, and the streams under way finish.</remarks>
    public static void Say(HttpContext context)
    {
        if (!HttpProtocol.IsHttp11(context.Request.Protocol) && !HttpProtocol.IsHttp10(context.Request.Protocol))
        {
            context.Features.Get<IConnectionLifetimeNotificationFeature>()?.RequestClose();
        }
        else if (!context.Response.HasStarted)
        {
            context.Response.Headers.Connection = "close";
        }
    }

    /// <summary>Lets every answer of the host say it, whichever endpoint gives it. Only where a delay leaves time for more than what runs.</summary>
    public sealed class ForAll(GatewayLifetime lifetime, ShutdownSetting setting) : IStartupFilter
    {
        public Action<IApplicationBuilder> Configure(Action<IApplicationBuilder> next) => app =>
        {
            if (setting.Options is { Delay.Ticks: > 0 })
            {
                app.Use(endpoint => context =>
                {
                    if (lifetime.IsLeaving)
                    {
                        Say(context);
                    }

                    return endpoint(context);
                });
            }

            next(app);
        };
    }
}
