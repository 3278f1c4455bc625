using System.Net.Sockets;
using System.Security.Authentication;

namespace ProxyKit.Health.Tests.Probes;

public sealed class ProbeFailureTests
{
    public static TheoryData<Exception, string?> Faults => new()
    {
        { new OperationCanceledException(), "no answer within 2 s" },
        { new SocketException((int)SocketError.ConnectionRefused), "connection refused" },
        { new SocketException((int)SocketError.HostNotFound), "its name cannot be resolved" },
        { new HttpRequestException(HttpRequestError.ConnectionError, "x", new SocketException((int)SocketError.ConnectionRefused)), "connection refused" },
        { new HttpRequestException(HttpRequestError.Unknown, "x", new IOException("y", new SocketException((int)SocketError.ConnectionReset))), "connection reset" },
        { new HttpRequestException(HttpRequestError.NameResolutionError, "x"), "its name cannot be resolved" },
        { new HttpRequestException(HttpRequestError.SecureConnectionError, "x", new AuthenticationException("not trusted")), "the TLS handshake failed: not trusted" },
        { new HttpRequestException(HttpRequestError.InvalidResponse, "x"), "its answer is no valid HTTP" },
        { new HttpRequestException(HttpRequestError.ConfigurationLimitExceeded, "x"), "the head of its answer is too large" },
        { new HttpRequestException(HttpRequestError.VersionNegotiationError, "x"), "it does not speak the version of HTTP that is asked for" },
        { new HttpIOException(HttpRequestError.ResponseEnded, "x"), "it ended the connection before its answer was whole" },
        { new InvalidOperationException("a bug"), null },
    };

    [Theory]
    [MemberData(nameof(Faults))]
    public void What_went_wrong_is_said_in_words(Exception fault, string? words) => Assert.Equal(words, ProbeFailure.Of(fault, TimeSpan.FromSeconds(2)));

    [Fact]
    public void A_fraction_of_a_second_is_one() => Assert.Equal("no answer within 0.25 s", ProbeFailure.TimedOut(TimeSpan.FromMilliseconds(250)));
}
