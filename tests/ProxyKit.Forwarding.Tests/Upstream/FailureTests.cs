using System.Net;
using System.Net.Sockets;
using System.Text;

namespace ProxyKit.Forwarding.Tests;

/// <summary>How the runtime's own handler says that an attempt failed, met on real sockets: a POST is sent again on the strength of it.</summary>
public sealed class FailureTests
{
    private static readonly byte[] Settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];

    [Fact]
    public async Task A_refused_connection_was_no_connection()
    {
        using var closed = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        closed.Bind(new IPEndPoint(IPAddress.Loopback, 0)); // bound and not listening: nobody else gets the port
        Assert.Equal((OutcomeKind.NotConnected, TimeoutKind.None), await AskAsync(((IPEndPoint)closed.LocalEndPoint!).Port));
    }

    [Fact]
    public async Task A_name_that_nobody_has_was_no_connection() =>
        Assert.Equal((OutcomeKind.NotConnected, TimeoutKind.None), await AskAsync(1, host: "nobody.invalid"));

    [Fact]
    public async Task A_handshake_that_fails_was_no_connection()
    {
        // Not one byte of the request is sent before TLS stands.
        Assert.Equal((OutcomeKind.NotConnected, TimeoutKind.None), await AgainstAsync(async stream => await stream.WriteAsync("HTTP/1.1 400 Bad Request\r\n\r\n"u8.ToArray()), scheme: "https"));
        Assert.Equal((OutcomeKind.NotConnected, TimeoutKind.None), await AgainstAsync(_ => Task.CompletedTask, scheme: "https"));
    }

    [Fact]
    public async Task A_handshake_without_end_was_no_connection_and_names_TLS() =>
        Assert.Equal(
            (OutcomeKind.NotConnected, TimeoutKind.Tls),
            await AgainstAsync(ReadToEndAsync, scheme: "https", timeouts: new TimeoutOptions { Connect = TimeSpan.FromMilliseconds(50), Tls = TimeSpan.FromMilliseconds(50) }));

    [Theory]
    [InlineData("")]
    [InlineData("HTTP/1.1 2")]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Le")]
    [InlineData("garbage\r\n\r\n")]
    public async Task Whatever_goes_wrong_once_something_was_sent_leaves_it_in_doubt(string answer)
    {
        foreach (var reset in (bool[])[false, true])
        {
            Assert.Equal((OutcomeKind.Broken, TimeoutKind.None), await AgainstAsync(
                async stream =>
                {
                    await ReadHeadAsync(stream);
                    await stream.WriteAsync(Encoding.Latin1.GetBytes(answer));
                    stream.Socket.LingerState = new LingerOption(reset, 0);
                }));
        }
    }

    [Fact]
    public async Task A_stream_that_HTTP2_refuses_was_not_touched()
    {
        var refusals = 0;
        Assert.Equal((OutcomeKind.NotConnected, TimeoutKind.None), await AgainstAsync(
            async stream =>
            {
                await stream.WriteAsync(Settings);
                await OnHeadersAsync(stream, async id =>
                {
                    refusals++;
                    await stream.WriteAsync((byte[])[0, 0, 4, 3, 0, .. Id(id), 0, 0, 0, 7]); // RST_STREAM, REFUSED_STREAM
                });
            },
            http2: true));
        Assert.True(refusals > 0);
    }

    [Fact]
    public async Task A_stream_that_HTTP2_cancels_leaves_it_in_doubt() =>
        Assert.Equal((OutcomeKind.Broken, TimeoutKind.None), await AgainstAsync(
            async stream =>
            {
                await stream.WriteAsync(Settings);
                await OnHeadersAsync(stream, async id => await stream.WriteAsync((byte[])[0, 0, 4, 3, 0, .. Id(id), 0, 0, 0, 2])); // INTERNAL_ERROR
            },
            http2: true));

    [Fact]
    public async Task A_connection_that_HTTP2_gives_up_after_the_stream_leaves_it_in_doubt() =>
        Assert.Equal((OutcomeKind.Broken, TimeoutKind.None), await AgainstAsync(
            async stream =>
            {
                await stream.WriteAsync(Settings);
                await OnHeadersAsync(stream, async id =>
                {
                    await stream.WriteAsync((byte[])[0, 0, 8, 7, 0, 0, 0, 0, 0, .. Id(id), 0, 0, 0, 2]); // GOAWAY, the stream was seen
                    stream.Socket.Shutdown(SocketShutdown.Both);
                });
            },
            http2: true));

    [Fact]
    public void A_client_that_left_is_nobodys_failure()
    {
        using var client = new CancellationTokenSource();
        client.Cancel();
        Assert.Equal((OutcomeKind.Abandoned, TimeoutKind.None), Failure.Read(new OperationCanceledException(), NewDeadline(client.Token)));
    }

    [Fact]
    public void A_connection_that_was_not_open_in_time_was_none_however_it_is_wrapped() =>
        Assert.Equal(
            (OutcomeKind.NotConnected, TimeoutKind.Connect),
            Failure.Read(new HttpRequestException("", new IOException("", new ConnectTimeoutException(TimeSpan.FromSeconds(1)))), NewDeadline(CancellationToken.None)));

    [Fact]
    public async Task A_request_whose_content_was_never_asked_for_was_not_sent_unless_the_content_waits_or_is_anothers()
    {
        using var content = new EmptyContent();
        using var request = new HttpRequestMessage(HttpMethod.Post, "http://a/") { Content = content };
        Assert.True(Failure.IsUnsent(request));
        request.Headers.ExpectContinue = true;
        Assert.False(Failure.IsUnsent(request));
        request.Headers.ExpectContinue = false;
        request.Headers.Remove("Expect");
        Assert.True(Failure.IsUnsent(request));
        await content.CopyToAsync(Stream.Null, TestContext.Current.CancellationToken);
        Assert.False(Failure.IsUnsent(request));

        using var other = new HttpRequestMessage(HttpMethod.Post, "http://a/") { Content = new StringContent("") };
        Assert.False(Failure.IsUnsent(other));
        using var none = new HttpRequestMessage(HttpMethod.Get, "http://a/");
        Assert.False(Failure.IsUnsent(none));
    }

    private static byte[] Id(int id) => [(byte)(id >> 24), (byte)(id >> 16), (byte)(id >> 8), (byte)id];

    private static Deadline NewDeadline(CancellationToken client)
    {
        var deadline = new Deadline.Source(TimeProvider.System).Create();
        deadline.Begin(Deadline.Never, client);
        return deadline;
    }

    // A server that does the same with each connection.
    private static async Task<(OutcomeKind Kind, TimeoutKind Timeout)> AgainstAsync(Func<NetworkStream, Task> serve, string scheme = "http", bool http2 = false, TimeoutOptions? timeouts = null)
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var serving = ServeAsync();
        var end = await AskAsync(((IPEndPoint)listener.LocalEndpoint).Port, scheme, http2: http2, timeouts: timeouts);
        listener.Stop();
        await serving;
        return end;

        async Task ServeAsync()
        {
            var connections = new List<Task>();
            try
            {
                while (true)
                {
                    connections.Add(HandleAsync(await listener.AcceptTcpClientAsync()));
                }
            }
            catch (Exception end) when (end is SocketException or ObjectDisposedException or InvalidOperationException) // the last where it was stopped between two calls
            {
                await Task.WhenAll(connections);
            }
        }

        async Task HandleAsync(TcpClient client)
        {
            using (client)
            {
                try
                {
                    await serve(client.GetStream());
                }
                catch (IOException)
                {
                    // The handler has gone.
                }
            }
        }
    }

    private static async Task<(OutcomeKind Kind, TimeoutKind Timeout)> AskAsync(int port, string scheme = "http", string host = "127.0.0.1", bool http2 = false, TimeoutOptions? timeouts = null)
    {
        timeouts ??= new TimeoutOptions();
        using var client = new HttpMessageInvoker(UpstreamHandler.Create(new UpstreamHandler.Recipe(new UpstreamOptions(), timeouts.Connect, timeouts.Tls)));
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri($"{scheme}://{host}:{port}/")) { Content = new EmptyContent() };
        if (http2)
        {
            (request.Version, request.VersionPolicy) = (HttpVersion.Version20, HttpVersionPolicy.RequestVersionExact);
        }

        var deadline = NewDeadline(TestContext.Current.CancellationToken);
        var fault = await Assert.ThrowsAnyAsync<Exception>(() => client.SendAsync(request, deadline.Token));
        return Failure.Read(fault, deadline);
    }

    private static async Task ReadHeadAsync(NetworkStream stream)
    {
        var head = new StringBuilder();
        var buffer = new byte[4096];
        while (!head.ToString().EndsWith("\r\n\r\n", StringComparison.Ordinal))
        {
            head.Append(Encoding.Latin1.GetString(buffer, 0, await stream.ReadAsync(buffer)));
        }
    }

    private static async Task ReadToEndAsync(NetworkStream stream)
    {
        var buffer = new byte[4096];
        while (await stream.ReadAsync(buffer) > 0)
        {
        }
    }

    private static async Task OnHeadersAsync(NetworkStream stream, Func<int, Task> answer)
    {
        var head = new byte[24];
        await stream.ReadExactlyAsync(head); // the preface
        while (true)
        {
            await stream.ReadExactlyAsync(head.AsMemory(0, 9));
            var (length, type, id) = ((head[0] << 16) | (head[1] << 8) | head[2], head[3], (head[5] << 24) | (head[6] << 16) | (head[7] << 8) | head[8]);
            await stream.ReadExactlyAsync(new byte[length]);
            if (type == 1)
            {
                await answer(id);
            }
        }
    }
}
