using CsCheck;

using Google.Protobuf;

using Grpc.Health.V1;
using Grpc.HealthCheck;

using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;

using ProxyKit.Testing;

namespace ProxyKit.Health.Tests.Probes;

public sealed class GrpcProbeTests
{
    [Theory]
    [InlineData("", null)]
    [InlineData("orders", null)]
    [InlineData("mail", "it says NOT_SERVING")]
    [InlineData("new", "it says UNKNOWN")]
    [InlineData("odd", "it says SERVICE_UNKNOWN")]
    [InlineData("nobody", "it knows no service 'nobody'")]
    public async Task The_health_service_says_how_a_service_stands(string service, string? fault)
    {
        var health = new HealthServiceImpl();
        health.SetStatus("", HealthCheckResponse.Types.ServingStatus.Serving);
        health.SetStatus("orders", HealthCheckResponse.Types.ServingStatus.Serving);
        health.SetStatus("mail", HealthCheckResponse.Types.ServingStatus.NotServing);
        health.SetStatus("new", HealthCheckResponse.Types.ServingStatus.Unknown);
        health.SetStatus("odd", HealthCheckResponse.Types.ServingStatus.ServiceUnknown);
        await using var backend = await KestrelBackend.StartAsync(app => app.MapGrpcService<HealthServiceImpl>(), HttpProtocols.Http2, services: services =>
        {
            services.AddGrpc();
            services.AddSingleton(health);
        });
        Assert.Equal(fault is null ? ProbeResult.Healthy : ProbeResult.Unhealthy(fault), await new GrpcProbe { Service = service }.AskAsync(backend.Address));
    }

    [Fact]
    public async Task It_is_asked_over_TLS_too_and_by_what_ASP_NET_Core_brings()
    {
        using var certificate = SelfMade.Expiring(DateTimeOffset.UnixEpoch.AddYears(100));
        await using var backend = await KestrelBackend.StartAsync(app => app.MapGrpcHealthChecksService(), HttpProtocols.Http1AndHttp2, certificate, services =>
        {
            services.AddGrpc();
            services.AddGrpcHealthChecks().AddCheck("self", () => HealthCheckResult.Healthy());
            services.Configure<HealthCheckPublisherOptions>(options => options.Delay = TimeSpan.Zero);
        });
        ProbeResult result = default;
        for (var i = 0; i < 100 && result.Status != ProbeStatus.Healthy; i++) // once it has looked for the first time
        {
            result = await new GrpcProbe { DangerousAcceptAnyCertificate = true }.AskAsync(backend.Address);
        }

        Assert.Equal(ProbeResult.Healthy, result);
        Assert.StartsWith("the TLS handshake failed: ", (await new GrpcProbe().AskAsync(backend.Address)).Reason, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_server_without_the_health_service_is_unhealthy_and_that_is_said()
    {
        await using var backend = await KestrelBackend.StartAsync(app => app.MapGrpcService<Unwritten>(), HttpProtocols.Http2, services: services => services.AddGrpc());
        Assert.Equal(ProbeResult.Unhealthy("it has no gRPC health service (UNIMPLEMENTED)"), await new GrpcProbe().AskAsync(backend.Address));
    }

    [Theory]
    [InlineData("/", "answered 404")]
    [InlineData("/grpc.health.v1.Health/Check", "its answer is no gRPC")]
    public async Task What_speaks_no_gRPC_is_unhealthy(string path, string reason)
    {
        await using var backend = await KestrelBackend.StartAsync(app => app.MapPost(path, () => "hello"), HttpProtocols.Http2);
        Assert.Equal(ProbeResult.Unhealthy(reason), await new GrpcProbe().AskAsync(backend.Address));
    }

    [Theory]
    [InlineData("0", "00 00 00 00 02 08 01", null)]
    [InlineData("0", "00 00 00 00 02 08 09", "it says 9, which is no state of a service")]
    [InlineData("0", "01 00 00 00 02 08 01", "its answer is no HealthCheckResponse")] // compressed, which nobody asked for
    [InlineData("0", "00 00 00 00 09 08 01", "its answer is no HealthCheckResponse")]
    [InlineData("0", "", "its answer is no HealthCheckResponse")]
    [InlineData("14", "", "answered with gRPC status 14")]
    [InlineData("5", "", "it answered NOT_FOUND")]
    public async Task Odd_answers_are_told_apart(string status, string body, string? fault)
    {
        var bytes = Convert.FromHexString(body.Replace(" ", "", StringComparison.Ordinal));
        await using var backend = await KestrelBackend.StartAsync(
            app => app.MapPost("/grpc.health.v1.Health/Check", async (HttpContext context) =>
            {
                Assert.Equal("application/grpc", context.Request.ContentType);
                Assert.Equal("trailers", context.Request.Headers.TE);
                context.Response.ContentType = "application/grpc";
                context.Response.DeclareTrailer("grpc-status");
                await context.Response.Body.WriteAsync(bytes);
                context.Response.AppendTrailer("grpc-status", status);
            }),
            HttpProtocols.Http2);
        Assert.Equal(fault is null ? ProbeResult.Healthy : ProbeResult.Unhealthy(fault), await new GrpcProbe().AskAsync(backend.Address));
    }

    [Fact]
    public async Task One_that_cannot_be_reached_or_never_answers_is_unhealthy()
    {
        using var closed = new ClosedPort();
        Assert.Equal(ProbeResult.Unhealthy("connection refused"), await new GrpcProbe().AskAsync(closed.Address));
        await using var silent = ScriptedBackend.StartRaw(connection => connection.WhenClientLeavesAsync());
        Assert.Equal(ProbeResult.Unhealthy("no answer within 0.2 s"), await new GrpcProbe().AskAsync(silent.Address, timeout: 0.2));
    }

    [Fact]
    public void Requests_are_written_as_the_library_writes_them()
    {
        Gen.String[0, 300].Where(text => !text.Any(char.IsSurrogate)).Sample(service =>
            Assert.Equal(new HealthCheckRequest { Service = service }.ToByteArray(), GrpcProbe.Encode(service)[5..]));
    }

    [Fact]
    public void Responses_are_read_as_the_library_writes_them_and_nothing_makes_it_throw()
    {
        Gen.Enum<HealthCheckResponse.Types.ServingStatus>().Sample(status =>
        {
            var message = new HealthCheckResponse { Status = status }.ToByteArray();
            Assert.Equal((ulong)status, GrpcProbe.Decode([0, 0, 0, 0, (byte)message.Length, .. message]));
        });
        Gen.Byte.Array[0, 40].Sample(bytes =>
        {
            _ = GrpcProbe.Decode(bytes);
            _ = GrpcProbe.Decode([0, 0, 0, 0, (byte)bytes.Length, .. bytes]);
        });
    }

    private sealed class Unwritten : Grpc.Health.V1.Health.HealthBase; // answers UNIMPLEMENTED, as a server does without the service
}
