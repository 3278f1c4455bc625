using System.Net;
using System.Net.Sockets;
using System.Text;

using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace ProxyKit.Forwarding.Tests;

public class ConnectionEncodingTests
{
    [Theory]
    [InlineData("keep-alive", "keep-alive"), InlineData("close", "close"), InlineData("Upgrade", "Upgrade"), InlineData("X-Named", "X-Named"), InlineData("", "")]
    [InlineData("keep-alive, X-Named", "X-Named"), InlineData("X-Named, Keep-Alive ,X-Other", "X-Named, X-Other"), InlineData("keep-alive,", "keep-alive,")]
    [InlineData("close, X-Named", "close, X-Named, keep-alive"), InlineData("X-Named, Upgrade", "X-Named, Upgrade, keep-alive"), InlineData("close, keep-alive, X", "close, keep-alive, X")]
    public void A_line_keeps_its_meaning_in_a_form_that_the_server_leaves_alone(string line, string kept)
    {
        Assert.Equal(kept, ConnectionEncoding.Kept(line));
        Assert.Equal(kept, ConnectionEncoding.Instance.GetString(Encoding.Latin1.GetBytes(line)));
    }

    // Regression: Kestrel put 'keep-alive' in place of 'keep-alive, X-Named', and X-Named went on to the destination.
    [Theory]
    [InlineData("keep-alive, X-Named", true), InlineData("close, X-Named", false), InlineData("Upgrade, X-Named", true), InlineData("X-Named", true)]
    public async Task The_server_tells_every_field_that_Connection_names_and_closes_as_asked(string line, bool staysOpen)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.Listen(IPAddress.Loopback, 0);
            kestrel.RequestHeaderEncodingSelector = static name => name == "Connection" ? ConnectionEncoding.Instance : Encoding.Latin1;
        });
        await using var app = builder.Build();
        app.Run(context => context.Response.WriteAsync($"named: {new ConnectionTokens(context.Request.Headers.Connection).Contains("X-Named")}"));
        await app.StartAsync(TestContext.Current.CancellationToken);
        using var client = new TcpClient();
        await client.ConnectAsync(IPAddress.Loopback, new Uri(app.Urls.Single()).Port, TestContext.Current.CancellationToken);
        var stream = client.GetStream();
        await stream.WriteAsync(Encoding.Latin1.GetBytes($"GET / HTTP/1.1\r\nHost: a\r\nConnection: {line}\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"), TestContext.Current.CancellationToken);
        var answers = await new StreamReader(stream).ReadToEndAsync(TestContext.Current.CancellationToken);
        Assert.Contains("named: True", answers, StringComparison.Ordinal);
        Assert.Equal(staysOpen ? 2 : 1, answers.Split("named: ").Length - 1);
    }
}
