using System.Buffers;
using System.Text;

namespace ProxyKit.Forwarding.Tests;

public sealed class InterimHeadTests
{
    [Theory]
    [InlineData("HTTP/1.1 103 Early", 103)]
    [InlineData("HTTP/1.1 199\r\n", 199)]
    [InlineData("HTTP/1.1 100 Continue", 100)]
    [InlineData("HTTP/1.1 101 Switching", null)]
    [InlineData("HTTP/1.1 200 OK\r\n", null)]
    [InlineData("HTTP/1.0 103 Early", null)]
    [InlineData("HTTP/1.1 1030 Early", null)]
    [InlineData("HTTP/1.1 1x3 Early", null)]
    [InlineData("HTTP/1.1 103", null)]
    public void Interim_is_1xx_but_101(string start, int? status) => Assert.Equal(status, InterimHead.Status(Encoding.Latin1.GetBytes(start)));

    [Theory]
    [InlineData("Link: </ä>\r\nlink: b\r\n", "Link: </ä>\r\nlink: b\r\n")]
    [InlineData("Keep-Alive: 1\r\nX: 2\r\nTransfer-Encoding: chunked\r\ncontent-length: 5\r\n", "X: 2\r\n")]
    [InlineData("X: 1\r\nconnection: Y, x\r\nY: 2\r\nZ: 3\r\n", "Z: 3\r\n")]
    [InlineData("", "")]
    public void Fields_pass_by_the_rule_for_final_heads(string fields, string passed) =>
        Assert.Equal($"HTTP/1.1 103 Early\r\n{passed}\r\n", Written($"HTTP/1.1 103 Early\r\n{fields}\r\n"));

    [Theory]
    [InlineData("X: 1\nY: 2\r\n")]
    [InlineData("X: 1\rY: 2\r\n")]
    [InlineData("X: 1\0\r\n")]
    [InlineData("X: 1\r\n folded\r\n")]
    [InlineData("X : 1\r\n")]
    [InlineData(": 1\r\n")]
    [InlineData("no field\r\n")]
    [InlineData("\n\nHTTP/1.1 200 OK\r\nX-Secret: 1\r\n")]
    public void What_is_not_strictly_a_head_is_refused(string fields) => Assert.Null(Written($"HTTP/1.1 103 Early\r\n{fields}\r\n"));

    private static string? Written(string head)
    {
        var output = new ArrayBufferWriter<byte>();
        return InterimHead.TryWrite(Encoding.Latin1.GetBytes(head), output) ? Encoding.Latin1.GetString(output.WrittenSpan) : null;
    }
}
