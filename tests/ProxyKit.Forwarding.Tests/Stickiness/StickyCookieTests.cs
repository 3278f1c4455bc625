using System.Net.Http.Headers;

using CsCheck;

using Microsoft.AspNetCore.DataProtection;
using Microsoft.AspNetCore.DataProtection.KeyManagement;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Primitives;
using Microsoft.Extensions.Time.Testing;

namespace ProxyKit.Forwarding.Tests;

public class StickyCookieTests
{
    private const string Secret = "a secret of more than sixteen characters";

    private static readonly StickyRun Shared = new(WithSecret() with { Name = "sid" });
    private static readonly StickyRun Another = new(WithSecret() with { Name = "sid" });
    private static readonly Pool Three = StickyRun.NewPool("a", "b", "c");

    [Fact]
    public void A_session_is_told_once_and_found_again()
    {
        var run = new StickyRun(WithSecret());
        var cookie = StickyRun.Kept(run.Commit(default, StickyRun.MemberOf(Three, "b")));
        var session = run.Find($"x=1; {cookie}", Three);
        Assert.Equal("b", session.Member!.Destination.Name);
        Assert.True(session.IsKnown);
        Assert.False(session.Renew);
        Assert.Null(run.Commit(session, session.Member, cookie));
    }

    [Fact]
    public void The_cookie_is_for_the_member_that_answered()
    {
        var run = new StickyRun(WithSecret());
        var session = run.Find(StickyRun.Kept(run.Commit(default, StickyRun.MemberOf(Three, "a"))), Three);
        var moved = StickyRun.Kept(run.Commit(session, StickyRun.MemberOf(Three, "c")));
        Assert.Equal("c", run.Find(moved, Three).Member!.Destination.Name);
    }

    [Theory]
    [InlineData(false, "^pk-[0-9a-f]{8}=[A-Za-z0-9_-]{48}; path=/; samesite=lax; httponly$")]
    [InlineData(true, "^__Host-pk-[0-9a-f]{8}=[A-Za-z0-9_-]{48}; path=/; secure; samesite=lax; httponly$")]
    public void Its_attributes_fit_the_scheme(bool https, string expected) =>
        Assert.Matches(expected, new StickyRun(WithSecret()).Commit(default, StickyRun.MemberOf(Three, "a"), https: https));

    [Theory]
    [InlineData("__Host-sid", CookieSecurePolicy.SameAsRequest, SameSiteMode.Strict, "secure; samesite=strict; httponly")]
    [InlineData("sid", CookieSecurePolicy.Always, SameSiteMode.None, "secure; samesite=none; httponly")]
    [InlineData("sid", CookieSecurePolicy.None, SameSiteMode.Unspecified, "path=/; httponly")]
    public void A_name_or_policy_that_asks_for_it_makes_it_secure(string name, CookieSecurePolicy secure, SameSiteMode sameSite, string expected) =>
        Assert.EndsWith(expected, new StickyRun(WithSecret() with { Name = name, Secure = secure, SameSite = sameSite }).Commit(default, StickyRun.MemberOf(Three, "a")), StringComparison.Ordinal);

    [Fact]
    public void It_is_secure_where_a_trusted_proxy_ends_the_clients_https()
    {
        var run = new StickyRun(WithSecret(), services => services.AddSingleton(new ForwardingOptions { TrustedNetworks = ["10.0.0.0/8"] }));
        foreach (var (peer, isSecure) in new[] { ("10.0.0.1", true), ("203.0.113.9", false) })
        {
            var context = Requests.From(peer, ("X-Forwarded-Proto", "https"));
            run.Stickiness.Commit(context, default, StickyRun.MemberOf(Three, "a"), new HttpResponseMessage());
            Assert.Equal(isSecure, context.Response.Headers.SetCookie.ToString().StartsWith("__Host-", StringComparison.Ordinal));
        }
    }

    [Fact]
    public void Pools_do_not_take_each_others_cookies()
    {
        var (orders, users) = (new StickyRun(WithSecret(), pool: "orders"), new StickyRun(WithSecret(), pool: "users"));
        var cookie = StickyRun.Kept(orders.Commit(default, StickyRun.MemberOf(Three, "a")));
        var other = StickyRun.Kept(users.Commit(default, StickyRun.MemberOf(Three, "a")));
        Assert.NotEqual(cookie.Split('=')[0], other.Split('=')[0]);
        Assert.False(users.Find($"{other.Split('=')[0]}={cookie.Split('=')[1]}", Three).IsKnown);
    }

    [Fact]
    public void Any_changed_bit_makes_it_no_session()
    {
        var run = new StickyRun(WithSecret());
        var (name, value) = Split(run.Commit(default, StickyRun.MemberOf(Three, "b")));
        Gen.Select(Gen.Int[0, value.Length - 1], Gen.Int[0, 6]).Sample((at, bit) =>
        {
            var characters = value.ToCharArray();
            characters[at] ^= (char)(1 << bit);
            Assert.Equal(default, run.Find($"{name}={new string(characters)}", Three));
        });
        Assert.True(run.Find($"{name}={value}", Three).IsKnown);
    }

    [Fact]
    public void Whatever_a_client_sends_is_a_session_or_none() =>
        Gen.OneOf(Gen.String[0, 60], Gen.String[Gen.Char.AlphaNumeric, 48, 48]).Sample(value => Assert.Equal(default, Shared.Find($"sid={value}", Three)));

    [Fact]
    public void Its_value_tells_nothing_of_the_destination() =>
        Gen.String[Gen.Char.AlphaNumeric, 3, 20].Sample(name =>
        {
            var pool = StickyRun.NewPool(name);
            var member = pool.Snapshot.Members[0];
            var (_, value) = Split(Shared.Commit(default, member));
            var bytes = System.Buffers.Text.Base64Url.DecodeFromChars(value);
            Assert.DoesNotContain(name, value, StringComparison.OrdinalIgnoreCase);
            Assert.DoesNotContain(name, System.Text.Encoding.Latin1.GetString(bytes), StringComparison.OrdinalIgnoreCase);
            Assert.DoesNotContain(Convert.ToHexString(BitConverter.GetBytes(member.Hash)), Convert.ToHexString(bytes), StringComparison.Ordinal);
        });

    [Fact]
    public void A_round_trip_finds_the_same_member_on_any_gateway_with_the_secret() =>
        Gen.Select(Gen.Int[1, 30], Gen.Int[0, 29]).Sample((count, which) =>
        {
            var pool = StickyRun.NewPool([.. Enumerable.Range(0, count).Select(i => $"d{i}")]);
            var member = pool.Snapshot.Members[which % count];
            var cookie = StickyRun.Kept(Shared.Commit(default, member));
            Assert.Same(member, Another.Find(cookie, pool).Member);
        });

    [Fact]
    public void It_ends_with_its_life_however_busy_it_is()
    {
        var run = new StickyRun(WithSecret() with { MaxLife = TimeSpan.FromHours(8), MaxIdle = TimeSpan.FromHours(1) });
        var member = StickyRun.MemberOf(Three, "b");
        var cookie = StickyRun.Kept(run.Commit(default, member));
        for (var minutes = 30; minutes <= 8 * 60; minutes += 30)
        {
            run.Time.SetUtcNow(StickyRun.Start.AddMinutes(minutes));
            var session = run.Find(cookie, Three);
            Assert.Same(member, session.Member);
            Assert.True(session.Renew); // after a quarter of the idle time
            cookie = StickyRun.Kept(run.Commit(session, member, cookie));
            Assert.False(run.Find(cookie, Three).Renew);
        }

        run.Time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal(default, run.Find(cookie, Three));
    }

    [Fact]
    public void It_ends_after_a_pause()
    {
        var run = new StickyRun(WithSecret() with { MaxIdle = TimeSpan.FromHours(1) });
        var cookie = StickyRun.Kept(run.Commit(default, StickyRun.MemberOf(Three, "b")));
        run.Time.Advance(TimeSpan.FromHours(1));
        Assert.True(run.Find(cookie, Three).IsKnown);
        run.Time.Advance(TimeSpan.FromSeconds(1));
        Assert.False(run.Find(cookie, Three).IsKnown);
    }

    [Fact]
    public void One_from_the_future_is_none_beyond_what_clocks_may_differ()
    {
        var run = new StickyRun(WithSecret());
        run.Time.SetUtcNow(StickyRun.Start.AddSeconds(61));
        var cookie = StickyRun.Kept(run.Commit(default, StickyRun.MemberOf(Three, "b")));
        var slow = new StickyRun(WithSecret());
        Assert.False(slow.Find(cookie, Three).IsKnown);
        slow.Time.Advance(TimeSpan.FromSeconds(1));
        Assert.True(slow.Find(cookie, Three).IsKnown);
    }

    [Fact]
    public void A_session_whose_member_is_gone_is_known_without_it_and_a_new_life_begins_elsewhere()
    {
        var run = new StickyRun(WithSecret() with { MaxLife = TimeSpan.FromHours(1) });
        var pool = StickyRun.NewPool("a", "b");
        var cookie = StickyRun.Kept(run.Commit(default, StickyRun.MemberOf(pool, "b")));
        pool.Update([pool.Snapshot.Members[0].Destination], pool.Snapshot.Settings);
        run.Time.Advance(TimeSpan.FromMinutes(50));
        var session = run.Find(cookie, StickyRun.NewPool("a"));
        Assert.Equal((null, true), (session.Member, session.IsKnown));
        var moved = StickyRun.Kept(run.Commit(session, StickyRun.MemberOf(pool, "a"), cookie));
        run.Time.Advance(TimeSpan.FromMinutes(50));
        Assert.True(run.Find(moved, pool).IsKnown);
    }

    [Fact]
    public async Task A_draining_member_keeps_its_sessions_and_gets_no_new_ones()
    {
        var run = new StickyRun(WithSecret() with { MaxIdle = TimeSpan.FromHours(1) });
        var pool = new Pool("orders", [new("a", new("http://a:1")), new("b", new("http://b:1"))], PoolSettings.Default.With(new StickySessions()), time: run.Time);
        var cookie = StickyRun.Kept(run.Commit(default, StickyRun.MemberOf(pool, "b")));
        var drain = pool.DrainAsync("b", TimeSpan.FromHours(2), cancellationToken: TestContext.Current.CancellationToken);
        var draining = StickyRun.MemberOf(pool, "b");
        Assert.Equal(MemberState.Draining, draining.State);
        run.Time.Advance(TimeSpan.FromMinutes(30));
        var session = run.Find(cookie, pool);
        Assert.Same(draining, session.Member);
        Assert.Null(run.Commit(default, draining));
        Assert.Null(run.Commit(session, draining, cookie)); // though it is to be renewed
        run.Time.Advance(TimeSpan.FromHours(2));
        await drain;
    }

    [Theory]
    [InlineData("GET", "public", true), InlineData("GET", "max-age=60", true), InlineData("GET", "s-maxage=60, max-age=0", true), InlineData("HEAD", "max-age=60", true), InlineData("GET", "private=\"x\", max-age=60", true)]
    [InlineData("POST", "public", false), InlineData("GET", "private, max-age=60", false), InlineData("GET", "no-store, max-age=60", false), InlineData("GET", "max-age=0", false), InlineData("GET", "no-cache", false), InlineData("GET", null, false)]
    public void No_session_begins_with_a_response_that_caches_share(string method, string? cacheControl, bool isCacheable)
    {
        var response = new HttpResponseMessage();
        response.Headers.CacheControl = cacheControl is null ? null : CacheControlHeaderValue.Parse(cacheControl);
        Assert.Equal(isCacheable, new StickyRun(WithSecret()).Commit(default, StickyRun.MemberOf(Three, "a"), response: response, method: method) is null);
        Assert.NotNull(new StickyRun(WithSecret() with { NotOnCacheable = false }).Commit(default, StickyRun.MemberOf(Three, "a"), response: response, method: method));
    }

    [Fact]
    public void Destinations_do_not_see_it()
    {
        var run = new StickyRun(WithSecret());
        var cookie = StickyRun.Kept(run.Commit(default, StickyRun.MemberOf(Three, "a")));
        var secure = StickyRun.Kept(run.Commit(default, StickyRun.MemberOf(Three, "a"), https: true));
        var context = Requests.From("203.0.113.9");
        Assert.Equal("x=1; y=2", run.Stickiness.CookieToSend(context, $"x=1; {cookie}; {secure}; y=2"));
        Assert.Equal(0, run.Stickiness.CookieToSend(context, cookie).Count);
        StringValues others = "x=1;y=2";
        Assert.Equal(others, run.Stickiness.CookieToSend(context, others));
        Assert.Equal(cookie, new StickyRun(WithSecret() with { PassToDestination = true }).Stickiness.CookieToSend(context, cookie));
    }

    [Fact]
    public void A_secret_is_replaced_without_losing_a_session()
    {
        const string Next = "the next secret, of as many characters";
        var (before, between, after) = (new StickyRun(WithSecret()), new StickyRun(WithSecret(Next, Secret)), new StickyRun(WithSecret(Next)));
        var cookie = StickyRun.Kept(before.Commit(default, StickyRun.MemberOf(Three, "b")));
        var session = between.Find(cookie, Three);
        Assert.True(session.Renew);
        var renewed = StickyRun.Kept(between.Commit(session, session.Member!, cookie));
        Assert.False(between.Find(renewed, Three).Renew);
        Assert.Equal("b", after.Find(renewed, Three).Member!.Destination.Name);
        Assert.False(after.Find(cookie, Three).IsKnown);
    }

    [Fact]
    public void Gateways_that_share_a_key_ring_agree_and_honour_what_is_rotated_and_revoked()
    {
        var directory = Directory.CreateTempSubdirectory("proxykit-ring-");
        try
        {
            var (one, other) = (Gateway("one"), Gateway("other"));
            var cookie = StickyRun.Kept(one.Commit(default, StickyRun.MemberOf(Three, "b")));
            Assert.Equal("b", other.Find(cookie, Three).Member!.Destination.Name);
            Assert.False(other.Find(cookie, Three).Renew);

            // A newer key takes over the signing; the old one still verifies until it is revoked.
            var ring = one.Services.GetRequiredService<IKeyManager>();
            var old = ring.GetAllKeys().Single();
            var now = TimeProvider.System.GetUtcNow();
            ring.CreateNewKey(now, now.AddDays(90));
            var session = Gateway("rotated").Find(cookie, Three);
            Assert.Equal("b", session.Member!.Destination.Name);
            Assert.True(session.Renew);
            ring.RevokeKey(old.KeyId, "lost");
            Assert.False(Gateway("late").Find(cookie, Three).IsKnown);
        }
        finally
        {
            directory.Delete(recursive: true);
        }

        StickyRun Gateway(string application) => new(new StickyCookie("sid"), Ring(directory, application));
    }

    [Fact]
    public void A_revoked_key_ends_the_sessions_it_signed_once_the_ring_is_read_again()
    {
        var directory = Directory.CreateTempSubdirectory("proxykit-ring-");
        try
        {
            var services = new StickyRun(new StickyCookie("sid"), Ring(directory, "gateway")).Services;
            var ring = services.GetRequiredService<IKeyManager>();
            var keys = new RingKeys("orders", services.GetRequiredService<IDataProtectionProvider>(), ring, new FakeTimeProvider(), NullLogger.Instance);
            var signed = keys.Current;
            Assert.Same(signed, keys.Find(signed.Id));
            ring.RevokeKey(ring.GetAllKeys().Single().KeyId, "lost");
            keys.Reread();
            Assert.Null(keys.Find(signed.Id));

            // Data Protection reads its ring again in the background and makes a new key.
            Assert.True(SpinWait.SpinUntil(() =>
            {
                keys.Reread();
                return keys.Current.Id != signed.Id;
            }, TimeSpan.FromSeconds(30)));
            Assert.Same(keys.Current, keys.Find(keys.Current.Id));
        }
        finally
        {
            directory.Delete(recursive: true);
        }
    }

    [Fact]
    public void A_host_without_a_key_ring_is_told_the_cure()
    {
        var services = new ServiceCollection().AddLogging().BuildServiceProvider();
        var fault = Assert.Throws<InvalidOperationException>(() => Stickiness.Create("orders", PoolSettings.Default.With<StickinessOptions>(new StickyCookie()), services));
        Assert.Contains("Secrets", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Reading_a_session_allocates_nothing()
    {
        var run = new StickyRun(WithSecret() with { MaxIdle = TimeSpan.FromHours(1), Name = "sid" });
        var cookie = StickyRun.Kept(run.Commit(default, StickyRun.MemberOf(Three, "b")));
        var context = Requests.From("203.0.113.9", ("Cookie", $"x=1; {cookie}"));
        for (var i = 0; i < 50; i++)
        {
            run.Stickiness.Find(context, Three.Snapshot);
        }

        var before = GC.GetAllocatedBytesForCurrentThread();
        run.Stickiness.Find(context, Three.Snapshot);
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    [Fact]
    public void Secrets_are_in_no_text_and_no_fault()
    {
        var options = WithSecret("s3cret") with { Name = "sid" };
        Assert.DoesNotContain("s3cret", options.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain("s3cret", Assert.Single(options.Faults()), StringComparison.Ordinal);
        Assert.DoesNotContain(options.Secrets[0], new SessionKey("s3cret"u8, "p").ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void What_was_composed_does_not_change_with_the_options_it_was_made_from()
    {
        var options = WithSecret() with { Name = "sid" };
        options.Secrets = new List<string>(options.Secrets);
        var kept = PoolSettings.Default.With<StickinessOptions>(options).Get<StickinessOptions>();
        (options.Name, options.MaxLife) = ("other", TimeSpan.FromHours(1));
        options.Secrets.Clear();
        var cookie = Assert.IsType<StickyCookie>(kept);
        Assert.Equal(("sid", TimeSpan.Zero, 1), (cookie.Name, cookie.MaxLife, cookie.Secrets.Count));
    }

    [Fact]
    public void Faults_are_told_with_the_cure()
    {
        Assert.Contains("choose another name", Fault(new StickyCookie("__Host-x") { Secure = CookieSecurePolicy.None }), StringComparison.Ordinal);
        Assert.Contains("letters, digits", Fault(new StickyCookie("a b")), StringComparison.Ordinal);
        Assert.Contains("10 seconds", Fault(new StickyCookie { MaxLife = TimeSpan.FromSeconds(1) }), StringComparison.Ordinal);
        Assert.Contains("shorter one", Fault(new StickyCookie { MaxIdle = TimeSpan.FromHours(2), MaxLife = TimeSpan.FromHours(1) }), StringComparison.Ordinal);
        Assert.Contains("the same secret twice", Fault(WithSecret(Secret, Secret)), StringComparison.Ordinal);
        Assert.Contains("at most an hour", Fault(new StickyClientIp { MaxWait = TimeSpan.Zero }), StringComparison.Ordinal);
        Assert.Contains("unless it is secure", Fault(new StickyCookie { SameSite = SameSiteMode.None, Secure = CookieSecurePolicy.None }), StringComparison.Ordinal);

        static string Fault(StickinessOptions options) => Assert.Single(options.Faults());
    }

    private static Action<IServiceCollection> Ring(DirectoryInfo directory, string application) =>
        services => services.AddDataProtection().SetApplicationName(application).PersistKeysToFileSystem(directory);

    private static StickyCookie WithSecret(params string[] secrets) => new() { Secrets = secrets.Length == 0 ? [Secret] : secrets };

    private static (string Name, string Value) Split(string? setCookie)
    {
        var pair = StickyRun.Kept(setCookie);
        var equals = pair.IndexOf('=', StringComparison.Ordinal);
        return (pair[..equals], pair[(equals + 1)..]);
    }
}
