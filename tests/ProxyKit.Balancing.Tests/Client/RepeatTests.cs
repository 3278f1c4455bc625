using System.Net;
using System.Net.Http.Json;

namespace ProxyKit.Balancing.Tests.Client;

public class RepeatTests
{
    [Theory]
    [InlineData(HttpRequestError.NameResolutionError, OutcomeKind.NotConnected)]
    [InlineData(HttpRequestError.ConnectionError, OutcomeKind.NotConnected)]
    [InlineData(HttpRequestError.SecureConnectionError, OutcomeKind.NotConnected)]
    [InlineData(HttpRequestError.ResponseEnded, OutcomeKind.Broken)]
    [InlineData(HttpRequestError.InvalidResponse, OutcomeKind.Broken)]
    [InlineData(HttpRequestError.HttpProtocolError, OutcomeKind.Broken)]
    [InlineData(HttpRequestError.Unknown, OutcomeKind.Broken)]
    public void An_error_says_whether_anything_was_sent(HttpRequestError error, OutcomeKind kind) =>
        Assert.Equal(kind, Repeat.Judge(new HttpRequestException(error), CancellationToken.None));

    [Fact]
    public void Cancellation_is_told_apart_by_who_asked_for_it()
    {
        Assert.Equal(OutcomeKind.NotConnected, Repeat.Judge(new TaskCanceledException("", new TimeoutException()), CancellationToken.None));
        Assert.Equal(OutcomeKind.TimedOut, Repeat.Judge(new OperationCanceledException(), CancellationToken.None));
        Assert.Equal(OutcomeKind.Abandoned, Repeat.Judge(new TaskCanceledException("", new TimeoutException()), new CancellationToken(canceled: true)));
        Assert.Equal(OutcomeKind.Abandoned, Repeat.Judge(new InvalidOperationException(), CancellationToken.None));
    }

    [Theory]
    [InlineData("GET", true), InlineData("HEAD", true), InlineData("PUT", true), InlineData("DELETE", true), InlineData("OPTIONS", true), InlineData("TRACE", true)]
    [InlineData("POST", false), InlineData("PATCH", false), InlineData("CONNECT", false), InlineData("LOCK", false)]
    public void Idempotent_are_the_methods_of_RFC_9110(string method, bool idempotent) => Assert.Equal(idempotent, Repeat.IsIdempotent(new HttpMethod(method)));

    [Fact]
    public void Content_made_of_memory_can_be_read_twice()
    {
        Assert.True(Repeat.IsReplayable(null));
        Assert.True(Repeat.IsReplayable(new StringContent("")));
        Assert.True(Repeat.IsReplayable(new FormUrlEncodedContent([])));
        Assert.True(Repeat.IsReplayable(JsonContent.Create(1)));
        Assert.True(Repeat.IsReplayable(new MultipartContent { new StringContent("") }));
        Assert.False(Repeat.IsReplayable(new StreamContent(Stream.Null)));
        Assert.False(Repeat.IsReplayable(new MultipartContent { new StringContent(""), new StreamContent(Stream.Null) }));
        Assert.False(Repeat.IsReplayable(new Odd()));
    }

    private sealed class Odd : HttpContent
    {
        protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) => Task.CompletedTask;

        protected override bool TryComputeLength(out long length)
        {
            length = 0;
            return true;
        }
    }
}
