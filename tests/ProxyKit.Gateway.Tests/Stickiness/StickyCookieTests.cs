using Microsoft.Extensions.DependencyInjection;

namespace ProxyKit.Gateway.Tests;

/// <summary>A session stays with one member; it is told so once, by whoever answered.</summary>
public sealed class StickyCookieTests
{
    // Private, so that a shared cache keeps none of it and a session may begin.
    private static BackendAnswer Named(string name) => Answers.Ok(name, "Cache-Control: private, no-store");

    [Fact]
    public async Task A_session_stays_and_is_told_of_its_member_once()
    {
        await using var a = ScriptedBackend.Start(Named("a"));
        await using var b = ScriptedBackend.Start(Named("b"));
        await using var gateway = await GatewayHost.OverAsync(Sticky, a.Address, b.Address);
        foreach (var expected in (string[])["a", "b"])
        {
            var first = await RawClient.ExchangeAsync(gateway.Address, Wire.Get());
            Assert.Equal(expected, first.Text);
            var cookie = Cookie(first);
            Assert.DoesNotContain("127.0.0.1", cookie, StringComparison.Ordinal);
            for (var i = 0; i < 5; i++)
            {
                var next = await RawClient.ExchangeAsync(gateway.Address, Wire.Get("/", $"Cookie: {cookie}; other=1"));
                Assert.Equal(expected, next.Text);
                Assert.Empty(next.Fields.All("Set-Cookie"));
            }
        }

        Assert.All(a.Requests.Skip(1), request => Assert.Equal("other=1", request["Cookie"]));
    }

    [Fact]
    public async Task A_session_that_begins_with_a_retry_belongs_to_the_one_that_answered()
    {
        await using var breaks = ScriptedBackend.Start(Answers.Reset());
        await using var ill = ScriptedBackend.Start(Answers.Status(503, "ill", "Set-Cookie: ill=1"));
        await using var well = ScriptedBackend.Start(Named("well"));
        await using var gateway = await GatewayHost.OverAsync(Sticky, breaks.Address, ill.Address, well.Address);
        var first = await RawClient.ExchangeAsync(gateway.Address, Wire.Get());
        Assert.Equal("well", first.Text);
        Assert.Single(first.Fields.All("Set-Cookie")); // nothing of what was dropped
        for (var i = 0; i < 3; i++)
        {
            Assert.Equal("well", (await RawClient.ExchangeAsync(gateway.Address, Wire.Get("/", $"Cookie: {Cookie(first)}"))).Text);
        }

        Assert.Equal((1, 1), (breaks.Requests.Count, ill.Requests.Count));
    }

    [Fact]
    public async Task A_session_whose_member_died_moves_once()
    {
        await using var a = ScriptedBackend.Start(Named("a"));
        await using var b = ScriptedBackend.Start(Named("b"));
        await using var gateway = await GatewayHost.OverAsync(Sticky, a.Address, b.Address);
        var first = await RawClient.ExchangeAsync(gateway.Address, Wire.Get());
        Assert.Equal("a", first.Text);
        a.Kill();
        var moved = await RawClient.ExchangeAsync(gateway.Address, Wire.Get("/", $"Cookie: {Cookie(first)}"));
        Assert.Equal("b", moved.Text);
        Assert.NotEqual(Cookie(first), Cookie(moved));
        a.Revive();
        var after = await RawClient.ExchangeAsync(gateway.Address, Wire.Get("/", $"Cookie: {Cookie(moved)}"));
        Assert.Equal("b", after.Text);
        Assert.Empty(after.Fields.All("Set-Cookie"));
    }

    [Fact]
    public async Task A_session_may_rather_be_refused_than_moved()
    {
        await using var a = ScriptedBackend.Start(Named("a"));
        await using var b = ScriptedBackend.Start(Named("b"));
        await using var gateway = await GatewayHost.OverAsync(pool => Sticky(pool, DeadMember.Refuse), a.Address, b.Address);
        var first = await RawClient.ExchangeAsync(gateway.Address, Wire.Get());
        gateway.Pool.SetAvailable(a.Address.Authority, "test", available: false);
        Wire.IsProblem(await RawClient.ExchangeAsync(gateway.Address, Wire.Get("/", $"Cookie: {Cookie(first)}")), 503);
        gateway.Pool.SetAvailable(a.Address.Authority, "test", available: true);
        Assert.Equal("a", (await RawClient.ExchangeAsync(gateway.Address, Wire.Get("/", $"Cookie: {Cookie(first)}"))).Text);
        Assert.Empty(b.Requests);
    }

    [Fact]
    public async Task A_member_that_drains_keeps_its_sessions_and_gets_no_new_ones()
    {
        await using var a = ScriptedBackend.Start(Named("a"));
        await using var b = ScriptedBackend.Start(Named("b"));
        await using var gateway = await GatewayHost.OverAsync(Sticky, a.Address, b.Address);
        var first = await RawClient.ExchangeAsync(gateway.Address, Wire.Get());
        Assert.Equal("a", first.Text);
        Assert.True(gateway.Pool.SetState(a.Address.Authority, MemberState.Draining));
        for (var i = 0; i < 4; i++)
        {
            Assert.Equal("a", (await RawClient.ExchangeAsync(gateway.Address, Wire.Get("/", $"Cookie: {Cookie(first)}"))).Text);
            Assert.Equal("b", (await RawClient.ExchangeAsync(gateway.Address, Wire.Get())).Text);
        }

        Assert.True(gateway.Pool.SetState(a.Address.Authority, MemberState.Off));
        Assert.Equal("b", (await RawClient.ExchangeAsync(gateway.Address, Wire.Get("/", $"Cookie: {Cookie(first)}"))).Text);
    }

    [Theory]
    [InlineData("sid=")]
    [InlineData("sid=garbage")]
    [InlineData("sid=\"")]
    [InlineData("sid=\u00ff\u00fe")]
    [InlineData("sid=a; sid=b")]
    [InlineData("=; ;;sid")]
    public async Task A_cookie_that_nobody_signed_is_no_session_and_no_error(string cookie)
    {
        await using var a = ScriptedBackend.Start(Named("a"));
        await using var gateway = await GatewayHost.OverAsync(Sticky, a.Address);
        var response = await RawClient.ExchangeAsync(gateway.Address, Wire.Get("/", $"Cookie: {cookie}"));
        Assert.Equal((200, "a"), (response.Status, response.Text));
        Assert.StartsWith("sid=", Cookie(response), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_cookie_that_somebody_changed_is_no_session()
    {
        await using var a = ScriptedBackend.Start(Named("a"));
        await using var gateway = await GatewayHost.OverAsync(Sticky, a.Address);
        var cookie = Cookie(await RawClient.ExchangeAsync(gateway.Address, Wire.Get()));
        Assert.Empty((await RawClient.ExchangeAsync(gateway.Address, Wire.Get("/", $"Cookie: {cookie}"))).Fields.All("Set-Cookie"));
        for (var i = "sid=".Length; i < cookie.Length - 1; i += 3)
        {
            var changed = $"{cookie[..i]}{(cookie[i] == 'A' ? 'B' : 'A')}{cookie[(i + 1)..]}";
            Assert.Single((await RawClient.ExchangeAsync(gateway.Address, Wire.Get("/", $"Cookie: {changed}"))).Fields.All("Set-Cookie"));
        }
    }

    [Fact]
    public async Task A_session_does_not_begin_with_an_answer_that_a_shared_cache_may_keep()
    {
        await using var a = ScriptedBackend.Start(Answers.Ok("a", "Cache-Control: public, max-age=60"));
        await using var gateway = await GatewayHost.OverAsync(Sticky, a.Address);
        Assert.Empty((await RawClient.ExchangeAsync(gateway.Address, Wire.Get())).Fields.All("Set-Cookie"));
    }

    private static void Sticky(IPoolBuilder pool) => Sticky(pool, DeadMember.Redistribute);

    private static void Sticky(IPoolBuilder pool, DeadMember onDeadMember)
    {
        pool.Services.AddDataProtection();
        pool.WithStickiness(new StickyCookie("sid") { OnDeadMember = onDeadMember });
    }

    private static string Cookie(RawResponse response) => Assert.Single(response.Fields.All("Set-Cookie")).Split(';')[0];
}
