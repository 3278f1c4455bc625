using System.Text;

namespace ProxyKit.Forwarding.Tests;

public sealed class ConnectionFieldEncodingTests
{
    [Theory]
    [InlineData("", "")]
    [InlineData("keep-alive", "keep-alive")]
    [InlineData("close", "close")]
    [InlineData("keep-alive, Upgrade", "keep-alive, Upgrade")]
    [InlineData("X-Named", "X-Named")]
    [InlineData("X-Named, Keep-Alive", "X-Named")]
    [InlineData("keep-alive ,X-Named,X-Other", "X-Named,X-Other")]
    [InlineData("close, X-Named", "close, X-Named, keep-alive")]
    [InlineData("X-Named,Upgrade", "X-Named,Upgrade, keep-alive")]
    [InlineData("close, keep-alive, X-Named", "close, keep-alive, X-Named")]
    [InlineData("\u00e4, keep-alive", "\u00e4")]
    public void One_word_that_Kestrel_knows_never_stands_beside_names(string value, string read) =>
        Assert.Equal(read, ConnectionFieldEncoding.Instance.GetString(Encoding.Latin1.GetBytes(value)));
}
