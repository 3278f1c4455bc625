using System.Net;

namespace ProxyKit.Testing;

/// <summary>HTTP/2 with prior knowledge.</summary>
/// <remarks>The runtime's client sends again what the gateway said that it had not looked at (RFC 9113 §8.7), and nothing else.</remarks>
internal sealed class Http2LoadClient(Uri gateway) : ILoadClient
{
    private readonly HttpMessageInvoker _client = new(new SocketsHttpHandler
    {
        AllowAutoRedirect = false,
        UseCookies = false,
        UseProxy = false,
        EnableMultipleHttp2Connections = true,
        ActivityHeadersPropagator = null,
    });

    public async Task<LoadAnswer> SendAsync(LoadCall call, string id, string? cookie, CancellationToken cancellationToken)
    {
        using var message = new HttpRequestMessage(call.Kind == LoadKind.Post ? HttpMethod.Post : HttpMethod.Get, new Uri(gateway, call.Target))
        {
            Version = HttpVersion.Version20,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
            Content = call.Kind == LoadKind.Post ? Body(call) : null,
        };
        message.Headers.Add(LoadCall.IdField, id);
        if (cookie is not null)
        {
            message.Headers.Add("Cookie", cookie);
        }

        try
        {
            using var response = await _client.SendAsync(message, cancellationToken);
            var answer = new LoadAnswer(
                LoadEnd.Refused,
                (int)response.StatusCode,
                response.Headers.TryGetValues(LoadCall.ServerField, out var servers) ? servers.First() : null,
                response.Headers.TryGetValues("Set-Cookie", out var cookies) ? [.. cookies] : null);
            using var sink = new LoadSink(call);
            try
            {
                await response.Content.CopyToAsync(sink, cancellationToken);
                return answer with { End = answer.Status == 200 ? sink.End : LoadEnd.Refused, Received = sink.Count };
            }
            catch (Exception fault) when (IsFailure(fault))
            {
                return answer with { End = answer.Status == 200 ? LoadEnd.Cut : LoadEnd.Refused, Received = sink.Count, Fault = $"{fault.Message} After {sink.Count} of {call.AnswerBytes} bytes." };
            }
        }
        catch (Exception fault) when (IsFailure(fault))
        {
            return LoadAnswer.None(fault);
        }
    }

    public void Dispose() => _client.Dispose();

    private static bool IsFailure(Exception fault) => fault is HttpRequestException or IOException or OperationCanceledException or ObjectDisposedException;

    private static ByteArrayContent Body(LoadCall call)
    {
        var body = new byte[call.Bytes];
        call.Fill(0, body);
        return new ByteArrayContent(body);
    }
}
