namespace ProxyKit.Gateway.Tests;

/// <summary>Who is asked again, and who never: RFC 9110 §9.2.2.</summary>
public sealed class RetryTests
{
    [Theory]
    [InlineData("GET")]
    [InlineData("POST")]
    public async Task A_host_that_refuses_is_passed_over_whatever_the_method(string method)
    {
        using var closed = new ClosedPort();
        await using var backend = ScriptedBackend.Start(Answers.Ok("here"));
        await using var gateway = await GatewayHost.OverAsync(closed.Address, backend.Address);
        for (var i = 0; i < 4; i++)
        {
            var response = await RawClient.ExchangeAsync(gateway.Address, $"{method} /{i} HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 3\r\n\r\nabc");
            Assert.Equal((200, "here"), (response.Status, response.Text));
        }

        Assert.Equal(["/0", "/1", "/2", "/3"], backend.Requests.Select(request => request.Target));
        Assert.All(backend.Requests, request => Assert.Equal("abc", request.Text));
        await gateway.WhenIdleAsync();
    }

    [Fact]
    public async Task A_host_that_swallows_connections_is_passed_over_after_the_limit()
    {
        Assert.SkipUnless(BlackHole.IsSupported, "Only Linux drops connections that find the queue full.");
        await using var hole = await BlackHole.StartAsync();
        await using var backend = ScriptedBackend.Start(Answers.Ok("here"));
        await using var gateway = await GatewayHost.OverAsync(pool => pool.WithTimeouts(new TimeoutOptions { Connect = TimeSpan.FromMilliseconds(200) }), hole.Address, backend.Address);
        foreach (var method in (string[])["GET", "POST"])
        {
            var response = await RawClient.ExchangeAsync(gateway.Address, $"{method} / HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 3\r\n\r\nabc");
            Assert.Equal("here", response.Text);
        }
    }

    [Theory]
    [InlineData("")]
    [InlineData("HTTP/1.1 2")]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Le")]
    public async Task A_GET_that_breaks_before_the_head_is_asked_of_another(string part)
    {
        await using var breaks = ScriptedBackend.Start(Answers.Reset(part));
        await using var backend = ScriptedBackend.Start(Answers.Ok("here"));
        await using var gateway = await GatewayHost.OverAsync(breaks.Address, backend.Address);
        var response = await RawClient.ExchangeAsync(gateway.Address, Wire.Get());
        Assert.Equal((200, "here"), (response.Status, response.Text));
        Assert.Equal((1, 1), (breaks.Requests.Count, backend.Requests.Count));
    }

    [Theory]
    [InlineData("", "abc")]
    [InlineData("HTTP/1.1 2", "abc")]
    [InlineData("", "")]
    public async Task A_POST_that_breaks_before_the_head_is_delivered_once_and_answered_502(string part, string body)
    {
        await using var first = ScriptedBackend.Start(Answers.Reset(part));
        await using var second = ScriptedBackend.Start(Answers.Reset(part));
        await using var gateway = await GatewayHost.OverAsync(first.Address, second.Address);
        Wire.IsProblem(await RawClient.ExchangeAsync(gateway.Address, Wire.Post(body)), 502);
        Assert.Equal(1, first.Requests.Count + second.Requests.Count);
    }

    [Theory]
    [InlineData("abc")]
    [InlineData("")]
    public async Task A_POST_is_delivered_once_on_a_connection_that_was_kept_as_well(string body)
    {
        // The client library repeats by itself where a kept connection breaks; for a POST it must not.
        await using var backend = ScriptedBackend.Start(Answers.InTurn(Answers.Ok(), Answers.Reset(), Answers.Ok()));
        await using var gateway = await GatewayHost.OverAsync(backend.Address);
        Assert.Equal(200, (await RawClient.ExchangeAsync(gateway.Address, Wire.Get("/warm"))).Status);
        Wire.IsProblem(await RawClient.ExchangeAsync(gateway.Address, Wire.Post(body, "/once")), 502);
        Assert.Equal(1, backend.Requests.Count(request => request.Target == "/once"));
        Assert.Single(backend.Connections);
    }

    [Theory]
    [InlineData("abc")]
    [InlineData("")]
    public async Task A_POST_is_delivered_once_where_the_connection_is_closed_in_place_of_an_answer(string body)
    {
        await using var first = ScriptedBackend.Start(Answers.InTurn(Answers.Ok(), Answers.Close()));
        await using var second = ScriptedBackend.Start(Answers.InTurn(Answers.Ok(), Answers.Close()));
        await using var gateway = await GatewayHost.OverAsync(first.Address, second.Address);
        for (var i = 0; i < 2; i++)
        {
            Assert.Equal(200, (await RawClient.ExchangeAsync(gateway.Address, Wire.Get("/warm"))).Status);
        }

        Wire.IsProblem(await RawClient.ExchangeAsync(gateway.Address, Wire.Post(body, "/kept")), 502);
        Wire.IsProblem(await RawClient.ExchangeAsync(gateway.Address, Wire.Post(body, "/kept-as-well")), 502);
        Wire.IsProblem(await RawClient.ExchangeAsync(gateway.Address, Wire.Post(body, "/fresh")), 502);
        Assert.Equal(["/fresh", "/kept", "/kept-as-well"], first.Requests.Concat(second.Requests).Select(request => request.Target).Where(target => target != "/warm").Order());
    }

    [Theory]
    [InlineData("POST", "")]
    [InlineData("PATCH", "")]
    public async Task An_unsafe_request_without_a_length_is_delivered_once_on_a_kept_connection(string method, string fields)
    {
        await using var backend = ScriptedBackend.Start(Answers.InTurn(Answers.Ok(), Answers.Reset(), Answers.Ok()));
        await using var gateway = await GatewayHost.OverAsync(backend.Address);
        Assert.Equal(200, (await RawClient.ExchangeAsync(gateway.Address, Wire.Get("/warm"))).Status);
        Wire.IsProblem(await RawClient.ExchangeAsync(gateway.Address, $"{method} /once HTTP/1.1\r\nHost: shop.example\r\n{fields}\r\n"), 502);
        Assert.Equal(1, backend.Requests.Count(request => request.Target == "/once"));
    }

    [Fact]
    public async Task A_GET_on_a_kept_connection_that_has_died_is_answered()
    {
        await using var backend = ScriptedBackend.Start(Answers.Ok("ok"));
        await using var gateway = await GatewayHost.OverAsync(backend.Address);
        for (var i = 0; i < 5; i++)
        {
            Assert.Equal("ok", (await RawClient.ExchangeAsync(gateway.Address, Wire.Get())).Text);
            backend.Connections[^1].Reset();
        }
    }

    [Fact]
    public async Task A_key_makes_a_POST_repeatable()
    {
        await using var breaks = ScriptedBackend.Start(Answers.Reset());
        await using var backend = ScriptedBackend.Start(Answers.Ok("here"));
        await using var gateway = await GatewayHost.OverAsync(breaks.Address, backend.Address);
        var response = await RawClient.ExchangeAsync(gateway.Address, Wire.Post("abc", "/", "Idempotency-Key: \"k\""));
        Assert.Equal("here", response.Text);
        Assert.Equal(("abc", "\"k\""), (backend.Requests[0].Text, backend.Requests[0]["Idempotency-Key"]));
    }

    [Fact]
    public async Task None_is_asked_twice_while_one_was_not_asked()
    {
        await using var a = ScriptedBackend.Start(Answers.Reset());
        await using var b = ScriptedBackend.Start(Answers.Reset());
        await using var c = ScriptedBackend.Start(Answers.Ok("here"));
        await using var gateway = await GatewayHost.OverAsync(a.Address, b.Address, c.Address);
        for (var i = 0; i < 6; i++)
        {
            Assert.Equal("here", (await RawClient.ExchangeAsync(gateway.Address, Wire.Get($"/{i}"))).Text);
        }

        foreach (var backend in (ScriptedBackend[])[a, b, c])
        {
            Assert.Equal(backend.Requests.Count, backend.Requests.Select(request => request.Target).Distinct().Count());
        }
    }

    [Theory]
    [InlineData(502)]
    [InlineData(503)]
    [InlineData(504)]
    public async Task A_GET_that_is_answered_with_a_gateways_failure_is_asked_of_another(int status)
    {
        await using var ill = ScriptedBackend.Start(Answers.Status(status, "ill"));
        await using var backend = ScriptedBackend.Start(Answers.Ok("here"));
        await using var gateway = await GatewayHost.OverAsync(ill.Address, backend.Address);
        Assert.Equal("here", (await RawClient.ExchangeAsync(gateway.Address, Wire.Get())).Text);
        Assert.Single(ill.Requests);
    }

    [Theory]
    [InlineData("GET", 500)]
    [InlineData("GET", 404)]
    [InlineData("POST", 503)]
    public async Task Other_answers_are_the_clients_as_they_are(string method, int status)
    {
        await using var ill = ScriptedBackend.Start(Answers.Status(status, "ill", "X-Said: so"));
        await using var backend = ScriptedBackend.Start(Answers.Ok("here"));
        await using var gateway = await GatewayHost.OverAsync(ill.Address, backend.Address);
        var response = await RawClient.ExchangeAsync(gateway.Address, $"{method} / HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 0\r\n\r\n");
        Assert.Equal((status, "ill", "so"), (response.Status, response.Text, response["X-Said"]));
        Assert.Empty(backend.Requests);
    }

    [Fact]
    public async Task Where_all_fail_the_last_answer_is_the_clients()
    {
        await using var a = ScriptedBackend.Start(Answers.Status(503, "a"));
        await using var b = ScriptedBackend.Start(Answers.Status(503, "b", "Retry-After: 7"));
        await using var gateway = await GatewayHost.OverAsync(a.Address, b.Address);
        var response = await RawClient.ExchangeAsync(gateway.Address, Wire.Get());
        Assert.Equal((503, "b", "7"), (response.Status, response.Text, response["Retry-After"]));
        Assert.Equal((1, 1), (a.Requests.Count, b.Requests.Count));
    }

    [Fact]
    public async Task A_host_that_asked_for_peace_gets_it()
    {
        await using var tired = ScriptedBackend.Start(Answers.Status(503, "tired", "Retry-After: 20"));
        await using var backend = ScriptedBackend.Start(Answers.Ok("here"));
        await using var gateway = await GatewayHost.OverAsync(tired.Address, backend.Address);
        for (var i = 0; i < 6; i++)
        {
            Assert.Equal("here", (await RawClient.ExchangeAsync(gateway.Address, Wire.Get())).Text);
        }

        Assert.Single(tired.Requests);
    }

    [Fact]
    public async Task Retries_stay_within_their_budget_when_everything_fails()
    {
        await using var a = ScriptedBackend.Start(Answers.Reset());
        await using var b = ScriptedBackend.Start(Answers.Reset());
        await using var c = ScriptedBackend.Start(Answers.Reset());
        await using var gateway = await GatewayHost.OverAsync(
            pool => pool.WithRetries(new RetryOptions { MaxAttempts = 3, BudgetShare = 0.2, BudgetPerSecond = 0 }), a.Address, b.Address, c.Address);
        for (var i = 0; i < 100; i++)
        {
            Wire.IsProblem(await RawClient.ExchangeAsync(gateway.Address, Wire.Get()), 502);
        }

        // 20 % of the requests over a window of 10 s: never more than 20 retries, and some.
        Assert.InRange(a.Requests.Count + b.Requests.Count + c.Requests.Count, 105, 120);
    }

    [Fact]
    public async Task Nobody_there_is_an_honest_502()
    {
        using var closed = new ClosedPort();
        await using var gateway = await GatewayHost.OverAsync(closed.Address);
        Wire.IsProblem(await RawClient.ExchangeAsync(gateway.Address, Wire.Get()), 502);
        Wire.IsProblem(await RawClient.ExchangeAsync(gateway.Address, Wire.Post("abc")), 502);
    }

    [Fact]
    public async Task A_host_that_was_killed_and_came_back_serves_again()
    {
        await using var a = ScriptedBackend.Start(Answers.Ok("a"));
        await using var b = ScriptedBackend.Start(Answers.Ok("b"));
        await using var gateway = await GatewayHost.OverAsync(a.Address, b.Address);
        await RawClient.ExchangeAsync(gateway.Address, Wire.Get());
        await RawClient.ExchangeAsync(gateway.Address, Wire.Get());
        a.Kill();
        for (var i = 0; i < 10; i++)
        {
            Assert.Equal("b", (await RawClient.ExchangeAsync(gateway.Address, i % 2 == 0 ? Wire.Get() : Wire.Post("abc"))).Text);
        }

        a.Revive();
        var answers = new List<string>();
        for (var i = 0; i < 4; i++)
        {
            answers.Add((await RawClient.ExchangeAsync(gateway.Address, Wire.Get())).Text);
        }

        Assert.Contains("a", answers);
    }
}
