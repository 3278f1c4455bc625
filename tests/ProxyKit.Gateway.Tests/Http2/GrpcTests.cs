using System.Globalization;

using Grpc.Core;
using Grpc.Net.Client;

using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;

namespace ProxyKit.Gateway.Tests;

/// <summary>gRPC of all four kinds, from a real client through the gateway to a real server.</summary>
public sealed class GrpcTests
{
    [Fact]
    public async Task Unary()
    {
        await using var talk = await Conversation.StartAsync();
        using var call = talk.Client.SayAsync(new Word { Text = "ä" }, new Metadata { { "x-ask", "1" } }, cancellationToken: TestContext.Current.CancellationToken);
        Assert.Equal("ä!", (await call).Text);
        Assert.Equal("1", (await call.ResponseHeadersAsync).GetValue("x-asked"));
        Assert.Equal("bye", call.GetTrailers().GetValue("x-last"));
    }

    [Fact]
    public async Task Server_streaming_word_by_word()
    {
        await using var talk = await Conversation.StartAsync();
        using var call = talk.Client.Listen(new Word { Text = "100" }, cancellationToken: TestContext.Current.CancellationToken);
        var heard = new List<string>();
        await foreach (var word in call.ResponseStream.ReadAllAsync(TestContext.Current.CancellationToken))
        {
            heard.Add(word.Text);
        }

        Assert.Equal(Enumerable.Range(0, 100).Select(i => i.ToString(CultureInfo.InvariantCulture)), heard);
    }

    [Fact]
    public async Task Client_streaming()
    {
        await using var talk = await Conversation.StartAsync();
        using var call = talk.Client.Tell(cancellationToken: TestContext.Current.CancellationToken);
        for (var i = 0; i < 100; i++)
        {
            await call.RequestStream.WriteAsync(new Word { Text = "a" }, TestContext.Current.CancellationToken);
        }

        await call.RequestStream.CompleteAsync();
        Assert.Equal(new string('a', 100), (await call).Text);
    }

    [Fact]
    public async Task Both_ways_by_turns_so_that_nothing_may_be_held_back()
    {
        await using var talk = await Conversation.StartAsync();
        using var call = talk.Client.Chat(cancellationToken: TestContext.Current.CancellationToken);
        for (var i = 0; i < 20; i++)
        {
            await call.RequestStream.WriteAsync(new Word { Text = $"{i}" }, TestContext.Current.CancellationToken);
            Assert.True(await call.ResponseStream.MoveNext(TestContext.Current.CancellationToken));
            Assert.Equal($"{i}!", call.ResponseStream.Current.Text);
        }

        await call.RequestStream.CompleteAsync();
        Assert.False(await call.ResponseStream.MoveNext(TestContext.Current.CancellationToken));
        Assert.Equal(StatusCode.OK, call.GetStatus().StatusCode);
    }

    [Fact]
    public async Task A_status_with_its_message_comes_through()
    {
        await using var talk = await Conversation.StartAsync();
        var fault = await Assert.ThrowsAsync<RpcException>(async () => await talk.Client.SayAsync(new Word { Text = "fail" }, cancellationToken: TestContext.Current.CancellationToken));
        Assert.Equal((StatusCode.FailedPrecondition, "nö"), (fault.StatusCode, fault.Status.Detail));
        Assert.Equal("x", fault.Trailers.GetValue("x-why"));
    }

    [Fact]
    public async Task A_call_that_is_cancelled_is_cancelled_at_the_server()
    {
        await using var talk = await Conversation.StartAsync();
        using var leaves = new CancellationTokenSource();
        using var call = talk.Client.Listen(new Word { Text = "forever" }, cancellationToken: leaves.Token);
        Assert.True(await call.ResponseStream.MoveNext(TestContext.Current.CancellationToken));
        await leaves.CancelAsync();
        await talk.Service.Cancelled.Task.WaitAsync(TimeSpan.FromSeconds(20), TestContext.Current.CancellationToken);
        await talk.Gateway.WhenIdleAsync();
    }

    [Fact]
    public async Task A_deadline_of_the_client_reaches_the_server()
    {
        await using var talk = await Conversation.StartAsync();
        var fault = await Assert.ThrowsAsync<RpcException>(async () =>
        {
            using var call = talk.Client.Listen(new Word { Text = "forever" }, new CallOptions().WithDeadline(TimeProvider.System.GetUtcNow().UtcDateTime.AddMilliseconds(300)));
            while (await call.ResponseStream.MoveNext(TestContext.Current.CancellationToken))
            {
            }
        });
        Assert.Equal(StatusCode.DeadlineExceeded, fault.StatusCode);
        await talk.Service.Cancelled.Task.WaitAsync(TimeSpan.FromSeconds(20), TestContext.Current.CancellationToken);
    }

    [Fact]
    public async Task A_server_that_is_gone_is_UNAVAILABLE_to_the_client()
    {
        using var closed = new ClosedPort();
        await using var gateway = await GatewayHost.OverAsync(closed.Address);
        using var channel = GrpcChannel.ForAddress(gateway.Http2Address);
        var fault = await Assert.ThrowsAsync<RpcException>(async () => await new Talk.TalkClient(channel).SayAsync(new Word(), cancellationToken: TestContext.Current.CancellationToken));
        Assert.Equal(StatusCode.Unavailable, fault.StatusCode); // what clients map 502, 503 and 504 to
    }

    private sealed record Conversation(KestrelBackend Backend, GatewayHost Gateway, GrpcChannel Channel, Talker Service) : IAsyncDisposable
    {
        public Talk.TalkClient Client { get; } = new(Channel);

        public static async Task<Conversation> StartAsync()
        {
            var service = new Talker();
            var backend = await KestrelBackend.StartAsync(
                app => app.MapGrpcService<Talker>(),
                HttpProtocols.Http2,
                services =>
                {
                    services.AddGrpc();
                    services.AddSingleton(service);
                });
            var gateway = await GatewayHost.OverAsync(backend.Address);
            return new Conversation(backend, gateway, GrpcChannel.ForAddress(gateway.Http2Address), service);
        }

        public async ValueTask DisposeAsync()
        {
            Channel.Dispose();
            await Gateway.DisposeAsync();
            await Backend.DisposeAsync();
        }
    }

    private sealed class Talker : Talk.TalkBase
    {
        public TaskCompletionSource Cancelled { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public override async Task<Word> Say(Word request, ServerCallContext context)
        {
            if (request.Text == "fail")
            {
                throw new RpcException(new Status(StatusCode.FailedPrecondition, "nö"), new Metadata { { "x-why", "x" } });
            }

            await context.WriteResponseHeadersAsync(new Metadata { { "x-asked", context.RequestHeaders.GetValue("x-ask") ?? "" } });
            context.ResponseTrailers.Add("x-last", "bye");
            return new Word { Text = request.Text + "!" };
        }

        public override async Task Listen(Word request, IServerStreamWriter<Word> responseStream, ServerCallContext context)
        {
            if (request.Text == "forever")
            {
                using var _ = context.CancellationToken.Register(() => Cancelled.TrySetResult());
                await responseStream.WriteAsync(request, context.CancellationToken);
                await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, context.CancellationToken);
            }

            for (var i = 0; i < int.Parse(request.Text, CultureInfo.InvariantCulture); i++)
            {
                await responseStream.WriteAsync(new Word { Text = i.ToString(CultureInfo.InvariantCulture) }, context.CancellationToken);
            }
        }

        public override async Task<Word> Tell(IAsyncStreamReader<Word> requestStream, ServerCallContext context)
        {
            var told = "";
            await foreach (var word in requestStream.ReadAllAsync(context.CancellationToken))
            {
                told += word.Text;
            }

            return new Word { Text = told };
        }

        public override async Task Chat(IAsyncStreamReader<Word> requestStream, IServerStreamWriter<Word> responseStream, ServerCallContext context)
        {
            await foreach (var word in requestStream.ReadAllAsync(context.CancellationToken))
            {
                await responseStream.WriteAsync(new Word { Text = word.Text + "!" }, context.CancellationToken);
            }
        }
    }
}
