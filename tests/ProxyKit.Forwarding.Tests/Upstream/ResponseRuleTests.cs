using System.Net;

using Microsoft.Extensions.Time.Testing;

namespace ProxyKit.Forwarding.Tests;

public sealed class ResponseRuleTests
{
    [Theory]
    [InlineData("0", true)]
    [InlineData("3", true)]
    [InlineData("9223372036854775807", true)]
    [InlineData("9223372036854775808", false)]
    [InlineData("99999999999999999999", false)]
    [InlineData("", false)]
    [InlineData("-1", false)]
    [InlineData("+1", false)]
    [InlineData("3, 3", false)]
    [InlineData("0x3", false)]
    [InlineData("3a", false)]
    public void A_length_is_a_number_or_the_answer_is_none(string length, bool sound)
    {
        using var response = new HttpResponseMessage { Content = new ByteArrayContent([]) };
        response.Content.Headers.TryAddWithoutValidation("Content-Length", length);
        Assert.Equal(sound, ResponseRule.Fault(response, upgrades: false) is null);
    }

    [Theory]
    [InlineData("chunked", true)]
    [InlineData("Chunked", true)]
    [InlineData("gzip, chunked", false)]
    [InlineData("chunked, chunked", false)]
    [InlineData("xchunked", false)]
    [InlineData("identity", false)]
    public void A_coding_is_chunked_or_the_answer_is_none(string coding, bool sound)
    {
        using var response = new HttpResponseMessage();
        response.Headers.TryAddWithoutValidation("Transfer-Encoding", coding);
        Assert.Equal(sound, ResponseRule.Fault(response, upgrades: false) is null);
    }

    [Fact]
    public void Length_beside_a_coding_and_several_lengths_are_refused()
    {
        using var both = new HttpResponseMessage { Content = new ByteArrayContent([]) };
        both.Content.Headers.TryAddWithoutValidation("Content-Length", "3");
        both.Headers.TryAddWithoutValidation("Transfer-Encoding", "chunked");
        Assert.NotNull(ResponseRule.Fault(both, upgrades: false));

        using var several = new HttpResponseMessage { Content = new ByteArrayContent([]) };
        several.Content.Headers.TryAddWithoutValidation("Content-Length", ["3", "3"]);
        Assert.NotNull(ResponseRule.Fault(several, upgrades: false));
    }

    [Theory]
    [InlineData(100, false, false)]
    [InlineData(101, false, false)]
    [InlineData(101, true, true)]
    [InlineData(103, true, false)]
    [InlineData(200, false, true)]
    [InlineData(599, false, true)]
    public void An_interim_status_ends_no_exchange_but_an_upgrade(int status, bool upgrades, bool sound)
    {
        using var response = new HttpResponseMessage((HttpStatusCode)status);
        Assert.Equal(sound, ResponseRule.Fault(response, upgrades) is null);
    }

    [Theory]
    [InlineData("5", 5.0)]
    [InlineData("3600", 30.0)]
    [InlineData("0", null)]
    [InlineData("-1", null)]
    [InlineData("soon", null)]
    [InlineData("Thu, 01 Jan 2026 00:00:20 GMT", 20.0)]
    [InlineData("Wed, 31 Dec 2025 00:00:00 GMT", null)]
    public void Retry_after_is_honoured_up_to_the_bound(string field, double? seconds)
    {
        using var response = new HttpResponseMessage(HttpStatusCode.ServiceUnavailable);
        response.Headers.TryAddWithoutValidation("Retry-After", field);
        var time = new FakeTimeProvider(new DateTimeOffset(2026, 1, 1, 0, 0, 0, TimeSpan.Zero));
        Assert.Equal(seconds, ResponseRule.RetryAfter(response, new RetryOptions(), time)?.TotalSeconds);
        Assert.Null(ResponseRule.RetryAfter(response, new RetryOptions { MaxRetryAfter = TimeSpan.Zero }, time));
    }
}
