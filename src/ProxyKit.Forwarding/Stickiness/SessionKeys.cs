using System.Text;

using Microsoft.AspNetCore.DataProtection;
using Microsoft.AspNetCore.DataProtection.KeyManagement;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace ProxyKit.Forwarding;

/// <summary>The keys that sign the sessions of a pool: one signs, several may verify.</summary>
internal abstract class SessionKeys
{
    /// <summary>The key that signs now.</summary>
    public abstract SessionKey Current { get; }

    /// <summary>The key of that number; null where there is none, or it was revoked.</summary>
    public abstract SessionKey? Find(uint id);

    /// <summary>The keys that the options ask for.</summary>
    /// <exception cref="InvalidOperationException">They ask for the key ring, and the host has none.</exception>
    public static SessionKeys Create(string pool, SignedStickiness options, IServiceProvider services)
    {
        if (options.Secrets.Count > 0)
        {
            return new SecretKeys(pool, options.Secrets);
        }

        var provider = services.GetService<IDataProtectionProvider>();
        var manager = services.GetService<IKeyManager>();
        return provider is not null && manager is not null
            ? services.GetRequiredService<SessionMemory>().RingOf(pool, () =>
                new RingKeys(pool, provider, manager, services.GetService<TimeProvider>() ?? TimeProvider.System, services.GetRequiredService<ILogger<RingKeys>>()))
            : throw new InvalidOperationException(
                $"Pool '{pool}': sessions are signed with the Data Protection key ring, and the host has none; call AddDataProtection(), or set {nameof(SignedStickiness.Secrets)}.");
    }
}

/// <summary>Keys from secrets that the host's operator hands out.</summary>
internal sealed class SecretKeys : SessionKeys
{
    private readonly SessionKey[] _keys;

    public SecretKeys(string pool, IEnumerable<string> secrets) => _keys = [.. secrets.Select(secret => new SessionKey(Encoding.UTF8.GetBytes(secret), pool))];

    public override SessionKey Current => _keys[0];

    public override SessionKey? Find(uint id)
    {
        foreach (var key in _keys)
        {
            if (key.Id == id)
            {
                return key;
            }
        }

        return null;
    }
}

/// <summary>Keys derived from those of the host's Data Protection ring: it makes, shares, rotates and revokes them.</summary>
/// <remarks>
/// A token that the ring protects itself would cost each request a decryption (8 µs and 900 bytes, measured, against 2 µs and none) and be three
/// times as long. A key derived from each of the ring's costs one HMAC, and every gateway that can read the ring derives the same, whatever its application's name is.
/// </remarks>
internal sealed class RingKeys : SessionKeys
{
    /// <summary>How often the ring is read for keys that others made or revoked; such made here are seen at once.</summary>
    public static readonly TimeSpan Refresh = TimeSpan.FromMinutes(5);

    // After a revocation the ring goes on choosing the old key until it has read itself again, in its own time.
    private static readonly TimeSpan Unsettled = TimeSpan.FromSeconds(1);

    private const int KeyIdAt = 4; // of what Data Protection writes: 4 bytes to know it by, then the key's id

    private readonly string _pool;
    private readonly IDataProtector _protector;
    private readonly IKeyManager _manager;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private Ring _ring;
    private int _reading;

    public RingKeys(string pool, IDataProtectionProvider provider, IKeyManager manager, TimeProvider time, ILogger logger)
    {
        (_pool, _manager, _time, _logger) = (pool, manager, time, logger);
        _protector = provider.CreateProtector("ProxyKit.Forwarding.Stickiness");
        _ring = Read(null);
    }

    public override SessionKey Current => Fresh().Current;

    public override SessionKey? Find(uint id) => Fresh().Keys.GetValueOrDefault(id);

    /// <summary>Reads the ring again.</summary>
    internal void Reread() => Volatile.Write(ref _ring, Read(Volatile.Read(ref _ring)));

    // Reading may ask a file or a database, so no request waits for it; the keys of before serve until it is done.
    private Ring Fresh()
    {
        var ring = Volatile.Read(ref _ring);
        if ((ring.Expired.IsCancellationRequested || _time.GetElapsedTime(ring.ReadAt) > ring.Serves) && Interlocked.Exchange(ref _reading, 1) == 0)
        {
            ThreadPool.UnsafeQueueUserWorkItem(static keys => keys.RereadQuietly(), this, preferLocal: false);
        }

        return ring;
    }

    private void RereadQuietly()
    {
        try
        {
            Reread();
        }
        catch (Exception fault) // whatever stores the ring may fail in any way, and sessions go on with the keys of before
        {
            StickyLog.RingUnread(_logger, fault, _pool, Refresh);
            Volatile.Write(ref _ring, _ring with { ReadAt = _time.GetTimestamp(), Serves = Refresh, Expired = CancellationToken.None });
        }
        finally
        {
            Volatile.Write(ref _reading, 0);
        }
    }

    private Ring Read(Ring? before)
    {
        var expired = _manager.GetCacheExpirationToken();
        var readAt = _time.GetTimestamp();

        // Protecting anything makes the ring choose its key by its own rules, and make one where it has none that is valid.
        var current = new Guid(_protector.Protect([0]).AsSpan(KeyIdAt, 16));
        var keys = new Dictionary<uint, SessionKey>();
        var derivedFrom = new Dictionary<Guid, SessionKey>();
        SessionKey? signs = null;
        foreach (var key in _manager.GetAllKeys())
        {
            // A key stays the same object, because what is made ready for it is found by that.
            if (!key.IsRevoked && (before?.DerivedFrom.GetValueOrDefault(key.KeyId) ?? Derive(key)) is { } derived)
            {
                (keys[derived.Id], derivedFrom[key.KeyId]) = (derived, derived);
                signs = key.KeyId == current ? derived : signs;
            }
        }

        if (signs is not null)
        {
            return new Ring(signs, keys, derivedFrom, readAt, Refresh, expired);
        }

        // What it signs meanwhile verifies nowhere, and the session begins anew: a revoked key must not keep one.
        return before is not null
            ? new Ring(before.Current, keys, derivedFrom, readAt, Unsettled, CancellationToken.None)
            : throw new InvalidOperationException($"Pool '{_pool}': the key that Data Protection chose cannot be read; set {nameof(SignedStickiness.Secrets)} instead.");
    }

    private SessionKey? Derive(IKey key)
    {
        try
        {
            // The text of the exported key is its master secret; the markup around it may differ between versions.
            var material = key.Descriptor.ExportToXml().SerializedDescriptorElement.Value;
            return material.Length > 0 ? new SessionKey(Encoding.UTF8.GetBytes(material), _pool) : null;
        }
        catch (Exception fault) // a key that this host cannot decrypt is not a reason to do without the others
        {
            StickyLog.KeyUnread(_logger, fault, key.KeyId, _pool);
            return null;
        }
    }

    private sealed record Ring(SessionKey Current, Dictionary<uint, SessionKey> Keys, Dictionary<Guid, SessionKey> DerivedFrom, long ReadAt, TimeSpan Serves, CancellationToken Expired);
}
