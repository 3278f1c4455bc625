using Microsoft.AspNetCore.Http;

namespace ProxyKit.Forwarding;

/// <summary>Keeps the requests of a session with the member that answered the first: <see cref="StickyCookie"/>, <see cref="StickyHeader"/>, <see cref="StickyAppCookie"/> or <see cref="StickyClientIp"/>.</summary>
/// <remarks>A draining member keeps the sessions that it has until its deadline, and gets no new ones.</remarks>
public abstract record StickinessOptions : IValidatable, ICopyable<StickinessOptions>
{
    internal StickinessOptions()
    {
    }

    /// <summary>What becomes of a session whose member is gone or down. The default is <see cref="DeadMember.Redistribute"/>.</summary>
    public DeadMember OnDeadMember { get; set; }

    /// <summary>How long a session waits for its member under <see cref="DeadMember.Wait"/>. The default is 5 s.</summary>
    public TimeSpan MaxWait { get; set; } = TimeSpan.FromSeconds(5);

    /// <inheritdoc/>
    public virtual StickinessOptions Copy() => this with { };

    /// <inheritdoc/>
    public virtual IEnumerable<string> Faults()
    {
        if (!Enum.IsDefined(OnDeadMember))
        {
            yield return $"{nameof(OnDeadMember)} is {OnDeadMember}; it must be one of {string.Join(", ", Enum.GetNames<DeadMember>())}.";
        }

        if (MaxWait <= TimeSpan.Zero || MaxWait > TimeSpan.FromHours(1))
        {
            yield return $"{nameof(MaxWait)} is {MaxWait}; it must be more than 0 and at most an hour.";
        }
    }
}

/// <summary>A session that the client carries itself, in a value which the gateway signs: nothing is kept on any gateway, so any of them can read it.</summary>
/// <remarks>
/// The value tells nothing of the destination. It is signed with the host's Data Protection key ring: gateways that share the ring
/// agree, and a key that is rotated out still verifies until it is revoked. <see cref="Secrets"/> serves where there is no shared ring.
/// </remarks>
public abstract record SignedStickiness : StickinessOptions
{
    private const int ShortestSecret = 16;

    internal SignedStickiness()
    {
    }

    /// <summary>How long a session may pause; longer, and it begins anew with any member. The value is renewed when a quarter of it has passed. 0 sets no limit. The default is 0.</summary>
    public TimeSpan MaxIdle { get; set; }

    /// <summary>How long a session may last in all, so that members share load anew in the long run. 0 sets no limit. The default is 0.</summary>
    public TimeSpan MaxLife { get; set; }

    /// <summary>
    /// Whether no session begins with a response that a shared cache may keep (RFC 9111 §3), lest it be given to other clients with the
    /// response; it begins with the next one that none may. The default is true.
    /// </summary>
    public bool NotOnCacheable { get; set; } = true;

    /// <summary>
    /// Secrets in place of the key ring, of 16 characters or more, the same on every gateway: the first signs, all of them verify, so that one is
    /// replaced by putting the new one first and dropping the old one later. Never logged. The default is none: the key ring serves.
    /// </summary>
    public IList<string> Secrets { get; set; } = [];

    /// <inheritdoc/>
    public override StickinessOptions Copy() => this with { Secrets = [.. Secrets] };

    /// <inheritdoc/>
    public override IEnumerable<string> Faults()
    {
        foreach (var fault in base.Faults())
        {
            yield return fault;
        }

        foreach (var (name, limit) in ((string, TimeSpan)[])[(nameof(MaxIdle), MaxIdle), (nameof(MaxLife), MaxLife)])
        {
            if (limit != TimeSpan.Zero && (limit < TimeSpan.FromSeconds(10) || limit > TimeSpan.FromDays(400)))
            {
                yield return $"{name} is {limit}; it must be 0 (no limit), or 10 seconds to 400 days.";
            }
        }

        if (MaxIdle > MaxLife && MaxLife > TimeSpan.Zero)
        {
            yield return $"{nameof(MaxIdle)} is {MaxIdle} and {nameof(MaxLife)} is {MaxLife}; the first would never be reached, so make it the shorter one.";
        }

        for (var i = 0; i < Secrets.Count; i++)
        {
            if (Secrets[i] is null || Secrets[i].Length < ShortestSecret)
            {
                yield return $"{nameof(Secrets)}[{i}] has {Secrets[i]?.Length ?? 0} characters; it must have {ShortestSecret} or more, drawn at random.";
            }
        }

        if (Secrets.Distinct(StringComparer.Ordinal).Count() < Secrets.Count)
        {
            yield return $"{nameof(Secrets)} holds the same secret twice; leave one out.";
        }
    }
}

/// <summary>Keeps a session by a cookie of the gateway's own. The first choice wherever clients keep cookies.</summary>
public sealed record StickyCookie : SignedStickiness
{
    private const string HostPrefix = "__Host-";
    private const string SecurePrefix = "__Secure-";

    /// <summary>A cookie of the default name.</summary>
    public StickyCookie()
    {
    }

    /// <summary>A cookie named <paramref name="name"/>.</summary>
    public StickyCookie(string name) => Name = name;

    /// <summary>
    /// The cookie's name. The default is null: <c>__Host-pk-</c> and a hash of the pool's name on https, where no other host can plant such a cookie
    /// (RFC 6265bis §4.1.3), and <c>pk-</c> with the hash on http; so several pools on one host do not overwrite each other's.
    /// </summary>
    public string? Name { get; set; }

    /// <summary>
    /// Whether the cookie is for https alone. By default it is where the request came over https, to the gateway itself or, as a trusted proxy tells, to that proxy.
    /// </summary>
    public CookieSecurePolicy Secure { get; set; } = CookieSecurePolicy.SameAsRequest;

    /// <summary>Whether the cookie goes along with requests from other sites. The default is <see cref="SameSiteMode.Lax"/>.</summary>
    public SameSiteMode SameSite { get; set; } = SameSiteMode.Lax;

    /// <summary>Whether destinations get to see the cookie. The default is false: it is taken out of the request.</summary>
    public bool PassToDestination { get; set; }

    /// <inheritdoc/>
    public override IEnumerable<string> Faults()
    {
        foreach (var fault in base.Faults())
        {
            yield return fault;
        }

        if (Name is not null && !HeaderText.IsToken(Name))
        {
            yield return $"{nameof(Name)} is '{Name}'; a cookie's name is letters, digits and '-'.";
        }

        if (Name is not null && Secure == CookieSecurePolicy.None
            && (Name.StartsWith(HostPrefix, StringComparison.OrdinalIgnoreCase) || Name.StartsWith(SecurePrefix, StringComparison.OrdinalIgnoreCase)))
        {
            yield return $"{nameof(Name)} is '{Name}' and {nameof(Secure)} is {Secure}; clients drop a cookie of that prefix unless it is secure, so choose another name or policy.";
        }

        if (SameSite == SameSiteMode.None && Secure == CookieSecurePolicy.None)
        {
            yield return $"{nameof(SameSite)} is {SameSite} and {nameof(Secure)} is {Secure}; clients drop such a cookie unless it is secure.";
        }

        if (!Enum.IsDefined(Secure))
        {
            yield return $"{nameof(Secure)} is {Secure}; it must be one of {string.Join(", ", Enum.GetNames<CookieSecurePolicy>())}.";
        }

        if (!Enum.IsDefined(SameSite))
        {
            yield return $"{nameof(SameSite)} is {SameSite}; it must be one of {string.Join(", ", Enum.GetNames<SameSiteMode>())}.";
        }
    }

    /// <inheritdoc/>
    public override string ToString() => $"{nameof(StickyCookie)} {Name}";
}

/// <summary>Keeps a session by a field that responses bring and clients send back: for API clients that keep no cookies.</summary>
public sealed record StickyHeader : SignedStickiness
{
    /// <summary>A field of the default name.</summary>
    public StickyHeader()
    {
    }

    /// <summary>A field named <paramref name="name"/>.</summary>
    public StickyHeader(string name) => Name = name;

    /// <summary>The field's name, of responses and requests alike. The default is <c>X-Session-Affinity</c>.</summary>
    public string Name { get; set; } = "X-Session-Affinity";

    /// <inheritdoc/>
    public override IEnumerable<string> Faults() => [.. base.Faults(), .. HeaderText.NameFaults(Name)];

    /// <inheritdoc/>
    public override string ToString() => $"{nameof(StickyHeader)} {Name}";
}

/// <summary>Keeps a session by the application's own cookie: which member set it is learned from its responses.</summary>
/// <remarks>What is learned stays on this gateway and is lost with the process, unless a table is given that shares it.</remarks>
public sealed record StickyAppCookie : StickinessOptions
{
    private readonly IStickTable? _table;

    /// <summary>A cookie of the default name.</summary>
    public StickyAppCookie()
    {
    }

    /// <summary>The application's cookie named <paramref name="name"/>, its members kept in memory.</summary>
    public StickyAppCookie(string name) => Name = name;

    /// <summary>The application's cookie named <paramref name="name"/>, its members kept in <paramref name="table"/>.</summary>
    public StickyAppCookie(string name, IStickTable table) => (Name, _table) = (name, table);

    /// <summary>The cookie's name; letter case counts. The default is <c>.AspNetCore.Session</c>.</summary>
    public string Name { get; set; } = ".AspNetCore.Session";

    /// <summary>Sessions kept in memory at the most; beyond, those unused for longest are forgotten. About 100 bytes each. The default is 100,000.</summary>
    public int Capacity { get; set; } = 100_000;

    /// <summary>How long a session may pause before it is forgotten. The default is an hour.</summary>
    public TimeSpan MaxIdle { get; set; } = TimeSpan.FromHours(1);

    /// <inheritdoc/>
    public override IEnumerable<string> Faults()
    {
        foreach (var fault in base.Faults())
        {
            yield return fault;
        }

        if (!HeaderText.IsToken(Name))
        {
            yield return $"{nameof(Name)} is '{Name}'; a cookie's name is letters, digits and '-'.";
        }

        if (Capacity is < 2 or > 100_000_000)
        {
            yield return $"{nameof(Capacity)} is {Capacity}; it must be 2 to 100,000,000.";
        }

        if (MaxIdle < TimeSpan.FromSeconds(1) || MaxIdle > TimeSpan.FromDays(400))
        {
            yield return $"{nameof(MaxIdle)} is {MaxIdle}; it must be a second to 400 days.";
        }
    }

    // A method, because configuration binds properties.
    internal IStickTable? Table() => _table;
}

/// <summary>Keeps a client's address with one member, by the pool's hashing policy: for clients that keep nothing at all.</summary>
/// <remarks>
/// It sets the pool's key (<see cref="ClientIpKey"/>), and works with any hashing policy. Take one that bounds loads (<c>BoundedLoad</c>): thousands of users
/// may stand behind one address, and without a bound they all go to one member. The share of the busiest address is measured
/// (<c>proxykit.sticky.top_key_share</c>), and a warning says when it is more than twice a member's fair share.
/// </remarks>
public sealed record StickyClientIp : StickinessOptions
{
    /// <summary>The bits of an IPv4 address that count. The default is 32.</summary>
    public int V4Bits { get; set; } = 32;

    /// <summary>The bits of an IPv6 address that count. The default is 64.</summary>
    public int V6Bits { get; set; } = 64;

    internal ClientIpKey Key => new(V4Bits, V6Bits);

    /// <inheritdoc/>
    public override IEnumerable<string> Faults() => [.. base.Faults(), .. Key.Faults()];
}
