using System.Buffers.Binary;
using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Text;

namespace ProxyKit.Health;

/// <summary>Asks the gRPC health service, <c>grpc.health.v1.Health/Check</c>. It goes through the pool's <see cref="ProbeContext.Client"/>.</summary>
/// <remarks>https://github.com/grpc/grpc/blob/master/doc/health-checking.md and PROTOCOL-HTTP2.md beside it. Two messages of one field each need no library.</remarks>
public sealed record GrpcProbe : IProbe, IValidatable, ICopyable<GrpcProbe>
{
    private const int Limit = 4096;

    private static readonly string[] Servings = ["UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"];

    /// <summary>The service that is asked about; empty, the default, is the server as a whole.</summary>
    public string Service { get; set; } = "";

    /// <summary>What the <c>:authority</c> field and the TLS server name say; null, the default, leaves it to <see cref="Destination.Host"/> and then to the address.</summary>
    public string? Host { get; set; }

    /// <summary>The port; 0, the default, is the destination's own.</summary>
    public int Port { get; set; }

    /// <summary>The scheme, <c>http</c> or <c>https</c>; null, the default, is the destination's own. On <c>http</c>, HTTP/2 is spoken with prior knowledge.</summary>
    public string? Scheme { get; set; }

    /// <summary>Whether certificates go unchecked: for tests only. The default is false. A client that you compose has its own say.</summary>
    public bool DangerousAcceptAnyCertificate { get; set; }

    /// <inheritdoc/>
    public async ValueTask<ProbeResult> ProbeAsync(ProbeContext context, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(context);
        using var request = NewRequest(context.Destination);
        using var response = await context.Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
        if (response.StatusCode != HttpStatusCode.OK)
        {
            return ProbeResult.Unhealthy($"answered {(int)response.StatusCode}");
        }

        using var body = await ProbeBody.ReadAsync(response.Content, Limit, cancellationToken);

        // Where there is nothing else to say, the status stands in the head.
        return (Field(response.TrailingHeaders, "grpc-status") ?? Field(response.Headers, "grpc-status")) switch
        {
            "0" => Judge(body.Bytes),
            "5" => ProbeResult.Unhealthy(Service.Length == 0 ? "it answered NOT_FOUND" : $"it knows no service '{Service}'"),
            "12" => ProbeResult.Unhealthy("it has no gRPC health service (UNIMPLEMENTED)"),
            null => ProbeResult.Unhealthy("its answer is no gRPC"),
            var status => ProbeResult.Unhealthy($"answered with gRPC status {status}"),
        };
    }

    /// <inheritdoc/>
    public GrpcProbe Copy() => this with { };

    /// <inheritdoc/>
    public IEnumerable<string> Faults()
    {
        if (Service is null || Service.Length > 1024)
        {
            yield return $"{nameof(Service)} is '{Service}'; it must be a name of 1024 characters at most, or empty for the server as a whole.";
        }

        foreach (var fault in ProbeAddress.Faults(Port, Scheme))
        {
            yield return fault;
        }
    }

    /// <summary>A HealthCheckRequest as it goes over the wire: a flag, its length, and the name as field 1.</summary>
    internal static byte[] Encode(string service)
    {
        var name = Encoding.UTF8.GetBytes(service);
        var message = new List<byte>(name.Length + 8);
        if (name.Length > 0)
        {
            message.Add((1 << 3) | 2);
            var rest = (uint)name.Length;
            for (; rest >= 0x80; rest >>= 7)
            {
                message.Add((byte)(rest | 0x80));
            }

            message.Add((byte)rest);
            message.AddRange(name);
        }

        var frame = new byte[5 + message.Count];
        BinaryPrimitives.WriteInt32BigEndian(frame.AsSpan(1), message.Count);
        message.CopyTo(frame, 5);
        return frame;
    }

    /// <summary>The status of a HealthCheckResponse, field 1; null where it is none.</summary>
    internal static ulong? Decode(ReadOnlySpan<byte> frame)
    {
        if (frame.Length < 5 || frame[0] != 0 || BinaryPrimitives.ReadUInt32BigEndian(frame[1..]) != frame.Length - 5)
        {
            return null;
        }

        var message = frame[5..];
        var status = 0UL; // left out, it is 0
        while (message.Length > 0)
        {
            if (!TryVarint(ref message, out var tag))
            {
                return null;
            }

            var skip = 0UL;
            switch (tag & 7)
            {
                case 0 when TryVarint(ref message, out var value):
                    status = tag >> 3 == 1 ? value : status;
                    break;
                case 1:
                    skip = 8;
                    break;
                case 2 when TryVarint(ref message, out skip):
                    break;
                case 5:
                    skip = 4;
                    break;
                default:
                    return null;
            }

            if (skip > (ulong)message.Length)
            {
                return null;
            }

            message = message[(int)skip..];
        }

        return status;
    }

    private static bool TryVarint(ref ReadOnlySpan<byte> bytes, out ulong value)
    {
        value = 0;
        for (var i = 0; i < bytes.Length && i < 10; i++)
        {
            value |= (ulong)(bytes[i] & 0x7F) << (7 * i);
            if (bytes[i] < 0x80)
            {
                bytes = bytes[(i + 1)..];
                return true;
            }
        }

        return false;
    }

    private HttpRequestMessage NewRequest(Destination destination)
    {
        var request = new HttpRequestMessage(HttpMethod.Post, ProbeAddress.Of(destination, "/grpc.health.v1.Health/Check", Scheme, Port))
        {
            Version = HttpVersion.Version20,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
            Content = new ByteArrayContent(Encode(Service)),
        };
        request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/grpc");
        request.Headers.TryAddWithoutValidation("TE", "trailers");
        request.Headers.TryAddWithoutValidation("User-Agent", HttpProbe.UserAgent);
        request.Headers.Host = Host ?? destination.Host;
        return request;
    }

    private static ProbeResult Judge(ReadOnlySpan<byte> frame) => Decode(frame) switch
    {
        1 => ProbeResult.Healthy,
        null => ProbeResult.Unhealthy("its answer is no HealthCheckResponse"),
        var status when status < (ulong)Servings.Length => ProbeResult.Unhealthy($"it says {Servings[status.Value]}"),
        var status => ProbeResult.Unhealthy(string.Create(CultureInfo.InvariantCulture, $"it says {status}, which is no state of a service")),
    };

    private static string? Field(HttpResponseHeaders fields, string name) => fields.NonValidated.TryGetValues(name, out var values) ? values.ToString() : null;
}
