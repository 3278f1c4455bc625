using System.Net.Security;
using System.Net.Sockets;
using System.Text;

using Microsoft.Extensions.DependencyInjection;

namespace ProxyKit.Gateway.Tests;

public sealed class InformationalTests
{
    private const string Expecting = "POST / HTTP/1.1\r\nHost: shop.example\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n";

    private const string Hint = "HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\nConnection: X\r\nX: y\r\nKeep-Alive: z\r\nContent-Length: 9\r\n\r\n";
    private const string Passed = "HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n";
    private const string Final = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

    [Fact]
    public async Task A_client_that_expects_100_gets_the_backends()
    {
        var gate = new TaskCompletionSource();
        await using var backend = ScriptedBackend.Start(async exchange =>
        {
            await gate.Task;
            await Answers.Continue(Answers.Ok("done"))(exchange);
        });
        await using var gateway = await GatewayHost.OverAsync(backend.Address);
        await using var client = await RawClient.ConnectAsync(gateway.Address);
        await client.SendAsync(Expecting);
        var request = (await backend.WhenRequestsAsync(1))[0];
        Assert.Equal("100-continue", request["Expect"]);
        gate.SetResult();
        Assert.Equal("HTTP/1.1 100 Continue\r\n\r\n", Wire.Text(await client.ReadExactlyAsync(25)));
        await client.SendAsync("abc");
        Assert.Equal("done", (await client.ReadResponseAsync()).Text);
        Assert.Equal("abc", request.Text);
    }

    [Fact]
    public async Task A_backend_that_refuses_at_once_spares_the_client_its_body()
    {
        await using var backend = ScriptedBackend.Start(Answers.Early("HTTP/1.1 417 No\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno"));
        await using var gateway = await GatewayHost.OverAsync(backend.Address);
        await using var client = await RawClient.ConnectAsync(gateway.Address);
        await client.SendAsync("POST / HTTP/1.1\r\nHost: shop.example\r\nExpect: 100-continue\r\nContent-Length: 100000\r\n\r\n");
        var response = await client.ReadResponseAsync();
        Assert.Equal((417, "no"), (response.Status, response.Text));
        Assert.Empty(response.Informational);
        await gateway.WhenIdleAsync();
    }

    [Fact]
    public async Task A_backend_that_knows_nothing_of_100_gets_the_body_all_the_same()
    {
        await using var backend = ScriptedBackend.Start(Answers.Ok("done"));
        await using var gateway = await GatewayHost.OverAsync(backend.Address);
        await using var client = await RawClient.ConnectAsync(gateway.Address);
        await client.SendAsync(Expecting + "abc"); // nor does this client wait
        Assert.Equal("done", (await client.ReadResponseAsync()).Text);
        Assert.Equal("abc", Assert.Single(backend.Requests).Text);
    }

    [Fact]
    public async Task An_early_hint_reaches_the_client_before_the_answer()
    {
        var gate = new TaskCompletionSource();
        await using var backend = ScriptedBackend.Start(Answers.Gated(Hint + "HTTP/1.1 102 Processing\r\n\r\n", gate.Task, Final));
        await using var gateway = await GatewayHost.OverAsync(backend.Address);
        await using var client = await RawClient.ConnectAsync(gateway.Address);
        for (var i = 0; i < 3; i++)
        {
            await client.SendAsync(Wire.Get());
            const string Before = Passed + "HTTP/1.1 102 Processing\r\n\r\n";
            Assert.Equal(Before, Wire.Text(await client.ReadExactlyAsync(Before.Length)));
            gate.TrySetResult();
            var response = await client.ReadResponseAsync();
            Assert.Equal((200, "ok"), (response.Status, response.Text));
            Assert.Empty(response.Informational);
        }

        Assert.Single(backend.Connections); // so a connection that is used again gives hints as well
    }

    [Fact]
    public async Task Nor_does_it_matter_how_they_are_cut_into_segments()
    {
        await using var backend = ScriptedBackend.Start(Answers.Slowly(Hint + "HTTP/1.1 100 Continue\r\n\r\n" + Hint + Final, TimeSpan.Zero, TimeProvider.System));
        await using var gateway = await GatewayHost.OverAsync(backend.Address);
        await using var client = await RawClient.ConnectAsync(gateway.Address);
        for (var i = 0; i < 3; i++)
        {
            var response = await client.ExchangeAsync(Wire.Get());
            Assert.Equal((200, "ok"), (response.Status, response.Text));
            Assert.Equal([103, 103], response.Informational.Select(head => head.Status));
        }
    }

    [Fact]
    public async Task What_a_body_holds_is_no_hint()
    {
        // Whoever may put a file on the backend could otherwise speak in its name.
        await using var backend = ScriptedBackend.Start(async exchange =>
        {
            await exchange.WriteAsync($"HTTP/1.1 200 OK\r\nContent-Length: {Hint.Length}\r\n\r\n");
            await exchange.WriteAsync(Hint);
            await exchange.ReadBodyAsync();
        });
        await using var gateway = await GatewayHost.OverAsync(backend.Address);
        await using var client = await RawClient.ConnectAsync(gateway.Address);
        for (var i = 0; i < 20; i++)
        {
            var response = await client.ExchangeAsync(Wire.Post(new string('x', 200_000)));
            Assert.Equal((200, Hint), (response.Status, response.Text));
            Assert.Empty(response.Informational);
        }
    }

    [Fact]
    public async Task A_request_with_a_body_gets_them_too()
    {
        await using var backend = ScriptedBackend.Start(async exchange =>
        {
            await exchange.WriteAsync(Hint); // before the body is read
            await exchange.ReadBodyAsync();
            await exchange.WriteAsync(Hint + Final);
        });
        await using var gateway = await GatewayHost.OverAsync(backend.Address);
        await using var client = await RawClient.ConnectAsync(gateway.Address);
        for (var i = 0; i < 3; i++)
        {
            var response = await client.ExchangeAsync(Wire.Post(new string('x', 200_000)));
            Assert.Equal(("ok", 2, 200_000), (response.Text, response.Informational.Count, backend.Requests[i].Body.Length));
        }
    }

    [Fact]
    public async Task Each_of_many_clients_gets_its_own_hints_and_no_others()
    {
        await using var backend = ScriptedBackend.Start(async exchange =>
        {
            var target = exchange.Request.Target;
            await exchange.WriteAsync($"HTTP/1.1 103 Early Hints\r\nLink: <{target}>\r\n\r\n");
            if (target.EndsWith('7'))
            {
                exchange.Connection.Reset(); // another attempt is made, on another connection
                return;
            }

            await exchange.WriteAsync($"HTTP/1.1 103 Early Hints\r\nLink: <{target}>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: {target.Length}\r\n\r\n{target}");
        });
        await using var gateway = await GatewayHost.OverAsync(backend.Address);
        var hints = 0;
        await Task.WhenAll(Enumerable.Range(0, 8).Select(async number =>
        {
            await using var client = await RawClient.ConnectAsync(gateway.Address);
            for (var round = 0; round < 200; round++)
            {
                var target = $"/{number}/{round}";
                var response = await client.ExchangeAsync(Wire.Get(target));
                Assert.True((response.Status, response.Text) is (502, _) || response.Text == target, response.ToString());
                Assert.All(response.Informational, head => Assert.Equal($"<{target}>", head["Link"]));
                Interlocked.Add(ref hints, response.Status == 200 ? response.Informational.Count : 0);
            }
        }));
        Assert.Equal(8 * 180 * 2, hints);
    }

    [Fact]
    public async Task A_client_that_left_leaves_its_hints_to_nobody()
    {
        var gone = new TaskCompletionSource();
        await using var backend = ScriptedBackend.Start(async exchange =>
        {
            if (exchange.Request.Target == "/left")
            {
                await gone.Task;
                await exchange.WriteAsync("HTTP/1.1 103 Early Hints\r\nLink: <left>\r\n\r\n");
            }

            await exchange.WriteAsync(Final);
        });
        await using var gateway = await GatewayHost.OverAsync(backend.Address);
        await using var first = await RawClient.ConnectAsync(gateway.Address);
        await first.SendAsync(Wire.Get("/left"));
        await backend.WhenRequestsAsync(1);
        first.Reset();
        await gateway.WhenIdleAsync();
        gone.SetResult();
        for (var i = 0; i < 5; i++)
        {
            var response = await RawClient.ExchangeAsync(gateway.Address, Wire.Get("/stays"));
            Assert.Equal("ok", response.Text);
            Assert.Empty(response.Informational);
        }
    }

    [Fact]
    public async Task The_copy_that_a_mirror_gets_has_nobody_to_give_hints_to()
    {
        await using var backend = ScriptedBackend.Start(Answers.Raw(Final));
        await using var mirror = ScriptedBackend.Start(Answers.Raw(Hint + Final));
        await using var gateway = await GatewayHost.StartAsync(
            proxyKit =>
            {
                proxyKit.AddPool("p", backend.Address.ToString());
                proxyKit.AddPool("m", mirror.Address.ToString());
            },
            app => app.MapPool("/{**rest}", "p").WithMirror("m"));
        await using var client = await RawClient.ConnectAsync(gateway.Address);
        for (var i = 1; i <= 20; i++)
        {
            Assert.Empty((await client.ExchangeAsync(Wire.Get())).Informational);
            await mirror.WhenRequestsAsync(i);
        }
    }

    [Fact]
    public async Task A_request_that_a_handler_sends_on_the_way_gives_no_hints()
    {
        await using var backend = ScriptedBackend.Start(exchange => Answers.Raw(exchange.Request.Target == "/token" ? Hint + Final : $"HTTP/1.1 103 Early\r\nLink: own\r\n\r\n{Final}")(exchange));
        await using var gateway = await GatewayHost.StartAsync(
            proxyKit => proxyKit.AddPool("p", backend.Address.ToString()).WithHttpClient(client => client.AddHttpMessageHandler(() => new Token(backend.Address))));
        await using var client = await RawClient.ConnectAsync(gateway.Address);
        for (var i = 0; i < 3; i++)
        {
            var response = await client.ExchangeAsync(Wire.Get());
            Assert.Equal(("ok", "own"), (response.Text, Assert.Single(response.Informational)["Link"]));
        }
    }

    [Theory]
    [InlineData("GET / HTTP/1.0\r\nHost: a\r\n\r\n")]
    [InlineData("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 0\r\n\r\n")]
    public async Task A_client_that_may_not_understand_them_gets_none(string request)
    {
        await using var backend = ScriptedBackend.Start(Answers.Raw(Hint + Final));
        await using var gateway = await GatewayHost.OverAsync(backend.Address);
        var response = await RawClient.ExchangeAsync(gateway.Address, request);
        Assert.Equal("ok", response.Text);
        Assert.DoesNotContain(response.Informational, head => head.Status == 103);
    }

    [Fact]
    public async Task Nor_does_a_client_where_they_are_turned_off_or_transforms_have_a_say()
    {
        await using var backend = ScriptedBackend.Start(Answers.Raw(Hint + Final));
        await using var off = await GatewayHost.OverAsync(pool => pool.WithUpstream(new UpstreamOptions { ForwardInformational = false }), backend.Address);
        Assert.Empty((await RawClient.ExchangeAsync(off.Address, Wire.Get())).Informational);
        await using var transforms = await GatewayHost.StartAsync(
            proxyKit => proxyKit.AddPool("p", backend.Address.ToString()), app => app.MapPool("/{**rest}", "p").RemoveResponseHeader("Link"));
        Assert.Empty((await RawClient.ExchangeAsync(transforms.Address, Wire.Get())).Informational);
    }

    [Fact]
    public async Task Over_HTTP_2_the_answer_comes_without_them()
    {
        await using var backend = ScriptedBackend.Start(Answers.Raw(Hint + Final));
        await using var gateway = await GatewayHost.OverAsync(backend.Address);
        using var client = gateway.NewHttp2Client();
        for (var i = 0; i < 3; i++)
        {
            Assert.Equal("ok", await client.GetStringAsync(new Uri("/", UriKind.Relative), TestContext.Current.CancellationToken));
        }
    }

    [Fact]
    public async Task Over_TLS_they_come_encrypted_as_all_else()
    {
        await using var backend = ScriptedBackend.Start(Answers.Raw(Hint + Final));
        await using var gateway = await GatewayHost.OverAsync(backend.Address);
        using var socket = new TcpClient();
        await socket.ConnectAsync(gateway.TlsAddress.Host, gateway.TlsAddress.Port, TestContext.Current.CancellationToken);
        await using var tls = new SslStream(socket.GetStream());
        await tls.AuthenticateAsClientAsync(
            new SslClientAuthenticationOptions
            {
                TargetHost = "localhost",
                RemoteCertificateValidationCallback = (_, certificate, _, _) => certificate!.GetCertHashString() == SelfMade.Certificate.GetCertHashString(),
            },
            TestContext.Current.CancellationToken);
        for (var i = 0; i < 3; i++)
        {
            await tls.WriteAsync(Encoding.Latin1.GetBytes(Wire.Get()), TestContext.Current.CancellationToken);
            var came = "";
            var buffer = new byte[4096];
            while (!came.EndsWith("\r\n\r\nok", StringComparison.Ordinal))
            {
                var count = await tls.ReadAsync(buffer, TestContext.Current.CancellationToken);
                Assert.NotEqual(0, count);
                came += Wire.Text(buffer.AsMemory(0, count));
            }

            Assert.StartsWith(Passed + "HTTP/1.1 200 OK\r\n", came, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", 16)]
    [InlineData("HTTP/1.1 100 Continue\r\n\r\n", 0)]
    public async Task Of_a_flood_no_more_than_a_few_go_on(string head, int most)
    {
        await using var backend = ScriptedBackend.Start(Answers.Flood(head, 100, Answers.Raw(Final)));
        await using var gateway = await GatewayHost.OverAsync(backend.Address);
        await using var client = await RawClient.ConnectAsync(gateway.Address);
        for (var i = 0; i < 3; i++)
        {
            var response = await client.ExchangeAsync(Wire.Get());
            Assert.Equal(("ok", most), (response.Text, response.Informational.Count));
        }
    }

    [Fact]
    public async Task Nor_do_large_ones()
    {
        await using var backend = ScriptedBackend.Start(Answers.Flood($"HTTP/1.1 103 Early Hints\r\nLink: <{new string('a', 6000)}>\r\n\r\n", 4, Answers.Raw(Final)));
        await using var gateway = await GatewayHost.OverAsync(backend.Address);
        var response = await RawClient.ExchangeAsync(gateway.Address, Wire.Get());
        Assert.Equal(("ok", 2), (response.Text, response.Informational.Count));
    }

    [Fact]
    public async Task What_another_reader_might_end_elsewhere_is_dropped()
    {
        // The handler ends a head at bare line feeds too; what follows would then be the final head's.
        await using var backend = ScriptedBackend.Start(Answers.Raw($"HTTP/1.1 103 Early Hints\nLink: <a>\n\nHTTP/1.1 200 OK\r\nX-Secret: 1\r\nContent-Length: 2\r\n\r\nok"));
        await using var gateway = await GatewayHost.OverAsync(backend.Address);
        var response = await RawClient.ExchangeAsync(gateway.Address, Wire.Get());
        Assert.Equal((200, "ok"), (response.Status, response.Text));
        Assert.Empty(response.Informational);
    }

    private sealed class Token(Uri address) : DelegatingHandler
    {
        protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            using var asking = new HttpRequestMessage(HttpMethod.Get, new Uri(address, "/token"));
            using (await base.SendAsync(asking, cancellationToken))
            {
                return await base.SendAsync(request, cancellationToken);
            }
        }
    }
}
