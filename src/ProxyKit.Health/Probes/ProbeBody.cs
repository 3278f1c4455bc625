using System.Buffers;
using System.Text;

namespace ProxyKit.Health;

/// <summary>The body of an answer to a probe, as far as it is read.</summary>
internal readonly struct ProbeBody : IDisposable
{
    private readonly byte[] _rented;
    private readonly int _length;

    private ProbeBody(byte[] rented, int length) => (_rented, _length) = (rented, length);

    public ReadOnlySpan<byte> Bytes => _rented.AsSpan(0, _length);

    public string Text => Encoding.UTF8.GetString(Bytes);

    /// <summary>Reads to the end, or to the limit; what comes after that is not waited for.</summary>
    public static async ValueTask<ProbeBody> ReadAsync(HttpContent content, int limit, CancellationToken cancellationToken)
    {
        await using var stream = await content.ReadAsStreamAsync(cancellationToken);
        var (buffer, length) = (ArrayPool<byte>.Shared.Rent(Math.Min(limit, 1024)), 0);
        try
        {
            while (length < limit)
            {
                if (length == buffer.Length)
                {
                    var larger = ArrayPool<byte>.Shared.Rent(buffer.Length * 4);
                    buffer.AsSpan().CopyTo(larger);
                    ArrayPool<byte>.Shared.Return(buffer);
                    buffer = larger;
                }

                var read = await stream.ReadAsync(buffer.AsMemory(length, Math.Min(buffer.Length, limit) - length), cancellationToken);
                if (read == 0)
                {
                    break;
                }

                length += read;
            }
        }
        catch
        {
            ArrayPool<byte>.Shared.Return(buffer);
            throw;
        }

        return new(buffer, length);
    }

    public void Dispose() => ArrayPool<byte>.Shared.Return(_rented);
}
