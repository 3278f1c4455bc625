using System.Net;
using System.Text;

using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Testing;
using Microsoft.Extensions.Time.Testing;

namespace ProxyKit.Balancing.Tests.Client;

public class PoolHandlerTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_request_goes_to_a_member_below_its_base_path_and_keeps_the_name_that_was_asked()
    {
        await using var origin = new Origin("a");
        using var pool = Pool(new Destination("a", new Uri(origin.Address, "/base/")));
        using var client = Client(pool);
        using var request = new HttpRequestMessage(HttpMethod.Get, "http://orders:99/1%2F2?q=%20x") { Headers = { { "X-Mine", ["1", "2"] } } };
        using var response = await client.SendAsync(request, Token);
        Assert.Equal("a", await response.Content.ReadAsStringAsync(Token));
        Assert.True(origin.Requests.TryDequeue(out var seen));
        Assert.Equal("GET /base/1%2F2?q=%20x HTTP/1.1", seen.Line);
        Assert.Equal("orders:99", seen.Fields["Host"]);
        Assert.Equal("1, 2", seen.Fields["X-Mine"]);
        Assert.Equal("http://orders:99/1%2F2?q=%20x", request.RequestUri!.AbsoluteUri);
    }

    [Theory]
    [InlineData(null, false, "orders"), InlineData("fixed", false, "fixed"), InlineData("fixed", true, "fixed"), InlineData(null, true, null)]
    public async Task Host_is_the_name_asked_unless_the_destination_or_an_option_says_otherwise(string? destinationHost, bool useDestination, string? expected)
    {
        await using var origin = new Origin("a");
        using var pool = Pool(new Destination("a", origin.Address) { Host = destinationHost });
        using var client = Client(pool, new PoolClientOptions { UseDestinationHost = useDestination });
        await client.GetStringAsync(new Uri("http://orders/"), Token);
        Assert.True(origin.Requests.TryDequeue(out var seen));
        Assert.Equal(expected ?? origin.Address.Authority, seen.Fields["Host"]);
    }

    [Theory]
    [InlineData("GET"), InlineData("POST")]
    public async Task A_refused_connection_is_repeated_elsewhere_whatever_the_method(string method)
    {
        await using var origin = new Origin("alive");
        using var pool = Pool(new Destination("dead", Origin.Refusing()), new Destination("alive", origin.Address));
        using var client = Client(pool);
        using var request = new HttpRequestMessage(new HttpMethod(method), "http://orders/") { Content = method == "POST" ? new StreamContent(new MemoryStream("x"u8.ToArray())) : null };
        using var response = await client.SendAsync(request, Token);
        Assert.Equal("alive", await response.Content.ReadAsStringAsync(Token));
        Assert.All(pool.Snapshot.Members, member => Assert.Equal(0, member.InFlight));
        Assert.True(pool.Snapshot.Find("dead")!.Load > 0);
        Assert.Equal(method == "POST" ? "x" : "", Assert.Single(origin.Requests).Body);
    }

    [Fact]
    public async Task A_connection_that_dies_after_a_GET_was_sent_is_repeated_elsewhere()
    {
        await using var dying = new Origin("dying", (_, _) => Task.FromResult(false));
        await using var alive = new Origin("alive");
        using var pool = Pool(new Destination("dying", dying.Address), new Destination("alive", alive.Address));
        using var client = Client(pool);
        Assert.Equal("alive", await client.GetStringAsync(new Uri("http://orders/"), Token));
        Assert.NotEmpty(dying.Requests);
        Assert.Single(alive.Requests);
    }

    [Fact]
    public async Task A_POST_that_was_sent_is_never_sent_again()
    {
        await using var dying = new Origin("dying", (_, _) => Task.FromResult(false));
        await using var alive = new Origin("alive");
        using var pool = Pool(new Destination("dying", dying.Address), new Destination("alive", alive.Address));
        using var client = Client(pool);
        using var content = new StringContent("once");
        await Assert.ThrowsAsync<HttpRequestException>(() => client.PostAsync(new Uri("http://orders/"), content, Token));
        Assert.Single(dying.Requests);
        Assert.Empty(alive.Requests);
        Assert.All(pool.Snapshot.Members, member => Assert.Equal(0, member.InFlight));
    }

    [Theory]
    [InlineData(false, 1), InlineData(true, 0)]
    public async Task A_PUT_is_repeated_only_where_its_content_can_be_read_twice(bool stream, int repeats)
    {
        await using var dying = new Origin("dying", (_, _) => Task.FromResult(false));
        await using var alive = new Origin("alive");
        using var pool = Pool(new Destination("dying", dying.Address), new Destination("alive", alive.Address));
        using var client = Client(pool);
        using HttpContent content = stream ? new StreamContent(new MemoryStream("body"u8.ToArray())) : new StringContent("body");
        var put = client.PutAsync(new Uri("http://orders/"), content, Token);
        await Task.WhenAny(put);
        Assert.Equal(repeats == 1, put.IsCompletedSuccessfully);
        Assert.Equal(Enumerable.Repeat("body", repeats), alive.Requests.Select(request => request.Body));
    }

    [Fact]
    public async Task A_backend_killed_under_load_fails_no_GET()
    {
        await using var a = new Origin("a");
        await using var b = new Origin("b");
        var doomed = new Origin("c");
        using var pool = Pool(new Destination("a", a.Address), new Destination("b", b.Address), new Destination("c", doomed.Address));
        using var client = Client(pool);
        var answers = new List<Task<string>>();
        for (var i = 0; i < 300; i++)
        {
            if (i == 100)
            {
                await doomed.DisposeAsync();
            }

            answers.Add(client.GetStringAsync(new Uri($"http://orders/{i}"), Token));
        }

        await Task.WhenAll(answers);
        Assert.All(pool.Snapshot.Members, member => Assert.Equal(0, member.InFlight));
    }

    [Fact]
    public async Task No_member_is_asked_twice_while_another_is_left_and_attempts_are_bounded()
    {
        var asked = new List<string>();
        using var pool = Pool([.. Enumerable.Range(0, 4).Select(i => new Destination($"m{i}", new Uri($"http://m{i}/")))]);
        using var client = Client(pool, new PoolClientOptions { MaxAttempts = 6 }, new Stub(request =>
        {
            asked.Add(request.RequestUri!.Host);
            throw new HttpRequestException(HttpRequestError.ConnectionError);
        }));
        await Assert.ThrowsAsync<HttpRequestException>(() => client.GetAsync(new Uri("http://orders/"), Token));
        Assert.Equal(6, asked.Count);
        Assert.Equal(4, asked[..4].Distinct().Count());
    }

    [Fact]
    public async Task An_answer_of_503_is_given_up_for_another_member_and_kept_where_there_is_none()
    {
        var left = 2;
        using var pool = Pool(new Destination("a", new Uri("http://a/")), new Destination("b", new Uri("http://b/")));
        using var client = Client(pool, handler: new Stub(_ => new HttpResponseMessage(left-- > 0 ? HttpStatusCode.ServiceUnavailable : HttpStatusCode.OK)));
        Assert.Equal(HttpStatusCode.ServiceUnavailable, (await client.GetAsync(new Uri("http://orders/"), Token)).StatusCode);
        Assert.Equal(0, left);
        left = 1;
        Assert.Equal(HttpStatusCode.OK, (await client.GetAsync(new Uri("http://orders/"), Token)).StatusCode);
        left = 1;
        Assert.Equal(HttpStatusCode.ServiceUnavailable, (await client.PostAsync(new Uri("http://orders/"), null, Token)).StatusCode);
    }

    [Fact]
    public async Task A_member_that_says_Retry_After_is_passed_over()
    {
        using var pool = Pool(new Destination("a", new Uri("http://a/")), new Destination("b", new Uri("http://b/")));
        using var client = Client(pool, handler: new Stub(request => request.RequestUri!.Host == "b"
            ? new HttpResponseMessage(HttpStatusCode.OK)
            : new HttpResponseMessage(HttpStatusCode.ServiceUnavailable) { Headers = { RetryAfter = new(TimeSpan.FromMinutes(1)) } }));
        for (var i = 0; i < 8; i++)
        {
            (await client.GetAsync(new Uri("http://orders/"), Token)).EnsureSuccessStatusCode();
        }

        Assert.True(pool.Snapshot.Find("a")!.IsDown);
    }

    [Fact]
    public async Task The_member_is_busy_until_the_body_was_read_to_its_end()
    {
        var rest = new TaskCompletionSource();
        await using var origin = new Origin("a", async (_, stream) =>
        {
            await Origin.Say(stream, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nX-Field: kept\r\nContent-Type: text/x\r\n\r\nab");
            await rest.Task;
            return await Origin.Say(stream, "cd");
        });
        using var pool = Pool(new Destination("a", origin.Address));
        using var client = Client(pool);
        using var response = await client.GetAsync(new Uri("http://orders/"), HttpCompletionOption.ResponseHeadersRead, Token);
        Assert.Equal(("kept", "text/x", 4L), (response.Headers.GetValues("X-Field").Single(), response.Content.Headers.ContentType!.MediaType, response.Content.Headers.ContentLength));
        Assert.Equal(1, pool.Snapshot.Members[0].InFlight);
        await using var body = await response.Content.ReadAsStreamAsync(Token);
        var buffer = new byte[4];
        await body.ReadExactlyAsync(buffer.AsMemory(0, 2), Token);
        Assert.Equal(1, pool.Snapshot.Members[0].InFlight);
        rest.SetResult();
        await body.ReadExactlyAsync(buffer.AsMemory(2, 2), Token);
        Assert.Equal(0, await body.ReadAsync(buffer, Token));
        Assert.Equal("abcd", Encoding.ASCII.GetString(buffer));
        Assert.Equal(0, pool.Snapshot.Members[0].InFlight);
    }

    [Fact]
    public async Task Disposing_a_response_unread_frees_the_member()
    {
        await using var origin = new Origin("a", (_, stream) => Origin.Say(stream, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n"));
        using var pool = Pool(new Destination("a", origin.Address));
        using var client = Client(pool);
        using (await client.GetAsync(new Uri("http://orders/"), HttpCompletionOption.ResponseHeadersRead, Token))
        {
            Assert.Equal(1, pool.Snapshot.Members[0].InFlight);
        }

        Assert.Equal(0, pool.Snapshot.Members[0].InFlight);
    }

    [Theory]
    [InlineData("HEAD", "200 OK", 5), InlineData("GET", "204 No Content", 0), InlineData("GET", "304 Not Modified", 0), InlineData("GET", "200 OK", 0)]
    public async Task An_answer_that_has_no_body_frees_the_member_at_once(string method, string status, int length)
    {
        await using var origin = new Origin("a", (_, stream) => Origin.Say(stream, $"HTTP/1.1 {status}\r\n{(status.StartsWith("20", StringComparison.Ordinal) && status[2] == '0' ? $"Content-Length: {length}\r\n" : "")}\r\n"));
        using var pool = Pool(new Destination("a", origin.Address));
        using var client = Client(pool);
        using var request = new HttpRequestMessage(new HttpMethod(method), "http://orders/");
        using var response = await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, Token);
        Assert.Equal(0, pool.Snapshot.Members[0].InFlight);
    }

    [Fact]
    public async Task A_body_that_breaks_is_told_to_the_pool_and_to_the_reader()
    {
        await using var origin = new Origin("a", async (_, stream) => !await Origin.Say(stream, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort"));
        var outcomes = new Outcomes();
        using var pool = new Pool("orders", [new Destination("a", origin.Address)], observers: [outcomes]);
        using var client = Client(pool);
        using var response = await client.GetAsync(new Uri("http://orders/"), HttpCompletionOption.ResponseHeadersRead, Token);
        await Assert.ThrowsAnyAsync<Exception>(() => response.Content.ReadAsByteArrayAsync(Token));
        Assert.Equal([OutcomeKind.Answered, OutcomeKind.BodyBroken], outcomes.Seen.Select(outcome => outcome.Kind));
        Assert.Equal(0, pool.Snapshot.Members[0].InFlight);
    }

    [Fact]
    public async Task A_caller_that_gives_up_is_no_fault_of_the_member()
    {
        using var source = CancellationTokenSource.CreateLinkedTokenSource(Token);
        await using var origin = new Origin("a", async (_, _) =>
        {
            await source.CancelAsync();
            return true;
        });
        var outcomes = new Outcomes();
        using var pool = new Pool("orders", [new Destination("a", origin.Address), new Destination("b", origin.Address)], observers: [outcomes]);
        using var client = Client(pool);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => client.GetAsync(new Uri("http://orders/"), source.Token));
        Assert.Equal(OutcomeKind.Abandoned, Assert.Single(outcomes.Seen).Kind);
        Assert.All(pool.Snapshot.Members, member => Assert.Equal(0, member.Load));
    }

    [Fact]
    public async Task A_connect_timeout_is_repeated_even_for_POST()
    {
        var asked = 0;
        using var pool = Pool(new Destination("a", new Uri("http://a/")), new Destination("b", new Uri("http://b/")));
        using var client = Client(pool, handler: new Stub(_ => asked++ == 0 ? throw new TaskCanceledException("connect", new TimeoutException()) : new HttpResponseMessage()));
        Assert.Equal(HttpStatusCode.OK, (await client.PostAsync(new Uri("http://orders/"), null, Token)).StatusCode);
        Assert.Equal(2, asked);
    }

    [Fact]
    public async Task Each_attempt_is_a_copy_with_the_version_and_options_of_the_request()
    {
        var key = new HttpRequestOptionsKey<string>("mine");
        var seen = new List<HttpRequestMessage>();
        using var pool = Pool(new Destination("a", new Uri("https://a:444/")), new Destination("b", new Uri("https://b:444/")));
        using var client = Client(pool, handler: new Stub(request =>
        {
            seen.Add(request);
            return seen.Count == 1 ? throw new HttpRequestException(HttpRequestError.SecureConnectionError) : new HttpResponseMessage();
        }));
        using var original = new HttpRequestMessage(HttpMethod.Post, "http://orders/") { Version = HttpVersion.Version20, VersionPolicy = HttpVersionPolicy.RequestVersionExact };
        original.Options.Set(key, "value");
        original.Headers.Host = "virtual";
        await client.SendAsync(original, Token);
        Assert.Equal(2, seen.Distinct().Count());
        Assert.DoesNotContain(original, seen);
        Assert.All(seen, attempt =>
        {
            Assert.Equal((HttpVersion.Version20, HttpVersionPolicy.RequestVersionExact, "virtual", "https", 444), (attempt.Version, attempt.VersionPolicy, attempt.Headers.Host, attempt.RequestUri!.Scheme, attempt.RequestUri.Port));
            Assert.True(attempt.Options.TryGetValue(key, out var value) && value == "value");
        });
    }

    [Fact]
    public async Task A_key_keeps_what_belongs_together_at_one_member()
    {
        var asked = new HashSet<string>();
        using var pool = new Pool("orders", Enumerable.Range(0, 8).Select(i => new Destination($"m{i}", new Uri($"http://m{i}/"))), PoolSettings.Default.With(new Rendezvous()));
        using var client = Client(pool, new PoolClientOptions { Key = request => (ulong)request.RequestUri!.AbsolutePath.Length }, new Stub(request =>
        {
            asked.Add($"{request.RequestUri!.AbsolutePath.Length} {request.RequestUri.Host}");
            return new HttpResponseMessage();
        }));
        for (var i = 0; i < 20; i++)
        {
            await client.GetAsync(new Uri($"http://orders/{new string('x', i % 4)}"), Token);
        }

        Assert.Equal(4, asked.Count);
    }

    [Fact]
    public async Task A_pool_with_nobody_left_says_so_and_keeps_the_last_failure()
    {
        using var pool = Pool();
        using var client = Client(pool);
        var fault = await Assert.ThrowsAsync<HttpRequestException>(() => client.GetAsync(new Uri("http://anything/"), Token));
        Assert.Equal("Pool 'orders' has no member that may serve.", fault.Message);
    }

    [Fact]
    public async Task A_full_pool_makes_requests_wait_for_a_seat()
    {
        var gate = new TaskCompletionSource();
        await using var origin = new Origin("a", async (_, stream) =>
        {
            await gate.Task;
            return await Origin.Say(stream, Origin.Answer("a"));
        });
        using var pool = new Pool("orders", [new Destination("a", origin.Address)], PoolSettings.Default.With(new LimitOptions { MaxPerDestination = 1, QueueLength = 1 }), time: new FakeTimeProvider());
        using var client = Client(pool);
        var first = client.GetStringAsync(new Uri("http://orders/"), Token);
        var second = client.GetStringAsync(new Uri("http://orders/"), Token);
        var third = await Assert.ThrowsAsync<HttpRequestException>(() => client.GetStringAsync(new Uri("http://orders/"), Token));
        Assert.StartsWith("Every member of pool 'orders' holds as many requests as it may", third.Message, StringComparison.Ordinal);
        gate.SetResult();
        Assert.Equal(["a", "a"], await Task.WhenAll(first, second));
    }

    [Fact]
    public async Task Synchronous_requests_go_to_the_pool_too()
    {
        await using var origin = new Origin("a");
        using var pool = Pool(new Destination("dead", Origin.Refusing()), new Destination("a", origin.Address));
        using var client = Client(pool);
        for (var i = 0; i < 4; i++)
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, "http://orders/");
            using var response = await Task.Run(() => client.Send(request, Token), Token);
            using var reader = new StreamReader(await response.Content.ReadAsStreamAsync(Token));
            Assert.Equal("a", await reader.ReadToEndAsync(Token));
        }

        Assert.All(pool.Snapshot.Members, member => Assert.Equal(0, member.InFlight));
    }

    [Fact]
    public async Task A_client_of_the_factory_waits_for_the_first_destinations_of_a_source()
    {
        await using var origin = new Origin("a");
        var source = new Later();
        var services = new ServiceCollection();
        services.AddProxyKit().AddPool("orders").WithDestinations(source);
        services.AddHttpClient("orders").UsePool("orders");
        await using var provider = services.BuildServiceProvider();
        using var client = provider.GetRequiredService<IHttpClientFactory>().CreateClient("orders");
        var answer = client.GetStringAsync(new Uri("http://orders/"), Token);
        Assert.False(answer.IsCompleted);
        source.First.SetResult([new Destination("a", origin.Address)]);
        Assert.Equal("a", await answer);
    }

    [Fact]
    public async Task A_resilience_handler_behind_the_pool_is_warned_of_once()
    {
        var log = new FakeLogger<PoolHandler>();
        using var pool = Pool(new Destination("a", new Uri("http://a/")));
        using var handler = new PoolHandler(() => pool, new PoolClientOptions(), null, TimeProvider.System, log)
        {
            InnerHandler = new ResilienceHandler { InnerHandler = new Stub(_ => new HttpResponseMessage()) },
        };
        using var client = new HttpClient(handler);
        await client.GetAsync(new Uri("http://orders/"), Token);
        await client.GetAsync(new Uri("http://orders/"), Token);
        Assert.Equal(LogLevel.Warning, Assert.Single(log.Collector.GetSnapshot()).Level);
    }

    [Fact]
    public void Faults_of_options_are_told_where_they_are_given()
    {
        var clients = new ServiceCollection().AddHttpClient("orders");
        var fault = Assert.Throws<ArgumentException>(() => clients.UsePool("orders", new PoolClientOptions { MaxAttempts = 0, ReadyTimeout = TimeSpan.FromSeconds(-1) }));
        Assert.Contains("MaxAttempts is 0; it must be 1", fault.Message, StringComparison.Ordinal);
        Assert.Contains("ReadyTimeout is -00:00:01", fault.Message, StringComparison.Ordinal);
    }

    // First makes the order of attempts that of the list.
    private static Pool Pool(params Destination[] destinations) => new("orders", destinations, PoolSettings.Default.With(new First()));

    private static HttpClient Client(Pool pool, PoolClientOptions? options = null, HttpMessageHandler? handler = null) =>
        new(new PoolHandler(pool, options) { InnerHandler = handler ?? new SocketsHttpHandler() });

    private sealed class Stub(Func<HttpRequestMessage, HttpResponseMessage> answer) : HttpMessageHandler
    {
        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            try
            {
                return Task.FromResult(answer(request));
            }
            catch (Exception fault)
            {
                return Task.FromException<HttpResponseMessage>(fault);
            }
        }
    }

    private sealed class ResilienceHandler : DelegatingHandler;

    private sealed class Outcomes : IOutcomeObserver
    {
        public List<Outcome> Seen { get; } = [];

        public void OnOutcome(Pool pool, Member member, in Outcome outcome) => Seen.Add(outcome);
    }

    private sealed class Later : IDestinationSource
    {
        public TaskCompletionSource<IReadOnlyList<Destination>> First { get; } = new();

        public async IAsyncEnumerable<IReadOnlyList<Destination>> WatchAsync([System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken)
        {
            yield return await First.Task.WaitAsync(cancellationToken);
        }
    }
}
