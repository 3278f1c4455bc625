using System.Net;

using Microsoft.AspNetCore.Http;
using Microsoft.Net.Http.Headers;

namespace ProxyKit.Forwarding;

// WebSockets: a handshake like any request, which may be tried again, and then a tunnel.
internal sealed partial class PoolForwarder
{
    private async Task UpgradeAsync(Exchange exchange, Upgrade upgrade)
    {
        Attempt attempt;
        try
        {
            attempt = await AskAsync(exchange);
        }
        catch (RefusedException refused)
        {
            await RefuseAsync(exchange, refused.Status);
            return;
        }

        try
        {
            if (attempt.Response is not { } answer)
            {
                await FailAsync(exchange, attempt);
            }
            else if (answer.StatusCode == HttpStatusCode.SwitchingProtocols || (upgrade.Http2 is not null || attempt.IsHttp2) && answer.IsSuccessStatusCode)
            {
                await TunnelAsync(exchange, upgrade, attempt, answer);
            }
            else if (!await TryRelayAsync(exchange, attempt, answer))
            {
                await FailAsync(exchange, attempt);
            }
        }
        finally
        {
            await EndAsync(exchange, attempt);
            await exchange.Others;
        }
    }

    // Turns the message into a handshake: HTTP/1.1's unless the pool speaks HTTP/2 alone.
    private static void ToHandshake(Exchange exchange, Attempt attempt, HttpRequestMessage request)
    {
        request.Content = null;
        if (exchange.Plan.Upstream.Protocol == UpstreamProtocol.Http2)
        {
            (request.Method, request.Headers.Protocol) = (HttpMethod.Connect, Upgrade.WebSocket);
            (request.Version, request.VersionPolicy) = (HttpVersion.Version20, HttpVersionPolicy.RequestVersionExact);
            request.Headers.Remove(HeaderNames.SecWebSocketKey);
            attempt.IsHttp2 = true;
            return;
        }

        request.Method = HttpMethod.Get;
        (request.Version, request.VersionPolicy) = (HttpVersion.Version11, HttpVersionPolicy.RequestVersionExact);
        request.Headers.TryAddWithoutValidation(HeaderNames.Connection, "Upgrade");
        request.Headers.TryAddWithoutValidation(HeaderNames.Upgrade, Upgrade.WebSocket);
        if (exchange.Upgrade!.Http2 is not null)
        {
            attempt.WebSocketKey = Upgrade.NewKey();
            request.Headers.Remove(HeaderNames.SecWebSocketKey);
            request.Headers.TryAddWithoutValidation(HeaderNames.SecWebSocketKey, attempt.WebSocketKey);
        }
    }

    private async Task TunnelAsync(Exchange exchange, Upgrade upgrade, Attempt attempt, HttpResponseMessage answer)
    {
        var context = exchange.Context;
        var response = context.Response;
        if (attempt.WebSocketKey is { } key
            && (!answer.Headers.NonValidated.TryGetValues(HeaderNames.SecWebSocketAccept, out var accept) || accept.ToString() != Upgrade.Accept(key)))
        {
            attempt.Kind = OutcomeKind.Broken;
            attempt.Lease.Report(OutcomeKind.BodyBroken);
            await FailAsync(exchange, attempt);
            return;
        }

        if (!await TryRelayHeadAsync(exchange, attempt, answer))
        {
            await FailAsync(exchange, attempt);
            return;
        }

        response.Headers.Remove(HeaderNames.ContentLength);
        TunnelSide client;
        if (upgrade.Http2 is { } connect)
        {
            response.StatusCode = StatusCodes.Status200OK;
            response.Headers.Remove(HeaderNames.SecWebSocketAccept);
            client = new TunnelSide(await connect.AcceptAsync(), response.CompleteAsync);
        }
        else
        {
            response.Headers.Upgrade = Upgrade.WebSocket;
            if (attempt.IsHttp2)
            {
                response.Headers.SecWebSocketAccept = Upgrade.Accept(context.Request.Headers.SecWebSocketKey.ToString());
            }

            client = new TunnelSide(await upgrade.Http1!.UpgradeAsync());
        }

        var destination = new TunnelSide(await answer.Content.ReadAsStreamAsync(attempt.Deadline.Token));
        attempt.Deadline.Outlasts = true;
        var tunnel = new Tunnel(client, destination, attempt.Deadline, exchange.Timeouts.UpgradeIdle, isWebSocket: true);
        if (!await tunnel.RunAsync(attempt.Member.Retired, _plans.Departure.Tunnels(Random.Shared.NextDouble())))
        {
            context.Abort();
        }
    }
}
