using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace ProxyKit.Balancing.Tests.Sources;

/// <summary>A DNS server on loopback that answers as scripted, over UDP.</summary>
internal sealed class DnsServer : IAsyncDisposable
{
    public const ushort A = 1, Aaaa = 28, Srv = 33;

    private readonly UdpClient _socket = new(new IPEndPoint(IPAddress.Loopback, 0));
    private readonly ConcurrentDictionary<ushort, Reply> _replies = new();
    private readonly Task _serving;
    private int _asked;

    public DnsServer() => _serving = ServeAsync();

    public string Address => _socket.Client.LocalEndPoint!.ToString()!;

    /// <summary>Questions so far.</summary>
    public int Asked => Volatile.Read(ref _asked);

    /// <summary>From now on answers with these addresses.</summary>
    public void Addresses(uint ttl, params string[] addresses)
    {
        var parsed = addresses.Select(IPAddress.Parse).ToLookup(address => address.AddressFamily);
        _replies[A] = new(0, ttl, [.. parsed[AddressFamily.InterNetwork].Select(address => address.GetAddressBytes())]);
        _replies[Aaaa] = new(0, ttl, [.. parsed[AddressFamily.InterNetworkV6].Select(address => address.GetAddressBytes())]);
    }

    /// <summary>From now on answers with these services.</summary>
    public void Services(uint ttl, params (ushort Priority, ushort Weight, ushort Port, string Target)[] records) =>
        _replies[Srv] = new(0, ttl, [.. records.Select(record =>
        {
            var data = new byte[6];
            BinaryPrimitives.WriteUInt16BigEndian(data, record.Priority);
            BinaryPrimitives.WriteUInt16BigEndian(data.AsSpan(2), record.Weight);
            BinaryPrimitives.WriteUInt16BigEndian(data.AsSpan(4), record.Port);
            return (byte[])[.. data, .. Name(record.Target)];
        })]);

    /// <summary>From now on answers questions of that type with an error: 2 is SERVFAIL, 3 NXDOMAIN.</summary>
    public void Fail(byte code, params ushort[] types)
    {
        foreach (var type in types)
        {
            _replies[type] = new(code, 0, []);
        }
    }

    /// <summary>Holds answers back until the task is done.</summary>
    public Task Gate { get; set; } = Task.CompletedTask;

    public async ValueTask DisposeAsync()
    {
        _socket.Dispose();
        await _serving;
    }

    private async Task ServeAsync()
    {
        while (true)
        {
            UdpReceiveResult question;
            try
            {
                question = await _socket.ReceiveAsync();
            }
            catch (Exception fault) when (fault is ObjectDisposedException or SocketException)
            {
                return;
            }

            Interlocked.Increment(ref _asked);
            await Gate;
            await _socket.SendAsync(Answer(question.Buffer), question.RemoteEndPoint);
        }
    }

    // RFC 1035 §4.1: the header, the question as it came, and records that name it by a pointer to byte 12.
    private byte[] Answer(byte[] question)
    {
        var end = 12;
        while (question[end] != 0)
        {
            end += question[end] + 1;
        }

        end += 5;
        var type = BinaryPrimitives.ReadUInt16BigEndian(question.AsSpan(end - 4));
        var reply = _replies.GetValueOrDefault(type) ?? new(3, 0, []);
        var answer = new List<byte>(question[..end]) { [2] = 0x84, [3] = reply.Code, [7] = (byte)reply.Records.Length, [9] = 0, [11] = 0 };
        foreach (var data in reply.Records)
        {
            var head = new byte[12];
            BinaryPrimitives.WriteUInt16BigEndian(head, 0xC00C);
            BinaryPrimitives.WriteUInt16BigEndian(head.AsSpan(2), type);
            BinaryPrimitives.WriteUInt16BigEndian(head.AsSpan(4), 1);
            BinaryPrimitives.WriteUInt32BigEndian(head.AsSpan(6), reply.Ttl);
            BinaryPrimitives.WriteUInt16BigEndian(head.AsSpan(10), (ushort)data.Length);
            answer.AddRange(head);
            answer.AddRange(data);
        }

        return [.. answer];
    }

    private static byte[] Name(string name) =>
        [.. name.Split('.', StringSplitOptions.RemoveEmptyEntries).SelectMany(label => (byte[])[(byte)label.Length, .. Encoding.ASCII.GetBytes(label)]), 0];

    private sealed record Reply(byte Code, uint Ttl, byte[][] Records);
}
