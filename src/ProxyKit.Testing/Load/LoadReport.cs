using System.Globalization;

namespace ProxyKit.Testing;

/// <summary>What came of a load, or of a part of it.</summary>
public sealed class LoadReport
{
    private readonly LoadRequest[] _requests;

    /// <summary>A report on <paramref name="requests"/>.</summary>
    public LoadReport(IEnumerable<LoadRequest> requests)
    {
        ArgumentNullException.ThrowIfNull(requests);
        _requests = [.. requests.OrderBy(request => request.At)];
    }

    /// <summary>The requests, in the order in which they were due.</summary>
    public IReadOnlyList<LoadRequest> Requests => _requests;

    /// <summary>How many were sent.</summary>
    public int Sent => _requests.Length - NotSent;

    /// <summary>How many were due and not sent, as too many were under way. Where it is not 0 the load was less than what was asked for.</summary>
    public int NotSent => Count(LoadEnd.NotSent);

    /// <summary>How many got their whole answer, byte for byte.</summary>
    public int Served => Count(LoadEnd.Served);

    /// <summary>How many were sent and not served.</summary>
    public int Failed => Sent - Served;

    /// <summary>Idempotent requests that failed before an answer had begun: a gateway could have asked another backend.</summary>
    public int FailedRepeatable => _requests.Count(request => request.IsRepeatable);

    /// <summary>POSTs that failed, in whatever way.</summary>
    public int FailedPosts => _requests.Count(request => request is { Kind: LoadKind.Post, End: LoadEnd.Refused or LoadEnd.Unanswered or LoadEnd.Cut });

    /// <summary>Answers to GETs that had begun and broke off where the client could see it.</summary>
    public int Cut => _requests.Count(request => request is { Kind: not LoadKind.Post, End: LoadEnd.Cut });

    /// <summary>Answers that were short or wrong and looked whole.</summary>
    public int Spoiled => _requests.Count(request => request.End is LoadEnd.Shortened or LoadEnd.Wrong);

    /// <summary>How many answers there were of each status other than 200.</summary>
    public IReadOnlyDictionary<int, int> Refusals =>
        _requests.Where(request => request.End == LoadEnd.Refused).GroupBy(request => request.Status ?? 0).ToDictionary(group => group.Key, group => group.Count());

    /// <summary>How many ended so.</summary>
    public int Count(LoadEnd end) => _requests.Count(request => request.End == end);

    /// <summary>The part of it that <paramref name="belongs"/> says.</summary>
    public LoadReport Where(Func<LoadRequest, bool> belongs) => new(_requests.Where(belongs));

    /// <summary>The requests that were due from <paramref name="from"/> on and before <paramref name="to"/>.</summary>
    public LoadReport Between(TimeSpan from, TimeSpan to) => Where(request => request.At >= from && request.At < to);

    /// <summary>The time within which <paramref name="share"/> of the requests sent had ended, however they did; zero where there are none.</summary>
    /// <param name="share">Such as 0.99.</param>
    public TimeSpan Latency(double share)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(share);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(share, 1);
        TimeSpan[] sorted = [.. _requests.Where(request => request.End != LoadEnd.NotSent).Select(request => request.Elapsed).Order()];
        return sorted.Length == 0 ? TimeSpan.Zero : sorted[Math.Max(0, (int)Math.Ceiling(share * sorted.Length) - 1)];
    }

    /// <summary>The backend's share of the requests served, 0 to 1.</summary>
    public double Share(string server) => (double)_requests.Count(request => request.IsServed && request.Server == server) / Math.Max(1, Served);

    /// <inheritdoc/>
    public override string ToString()
    {
        var refusals = string.Join(", ", Refusals.OrderBy(entry => entry.Key).Select(entry => string.Create(CultureInfo.InvariantCulture, $"{entry.Value} × {entry.Key}")));
        var faults = string.Join("; ", _requests.Where(request => request is { IsServed: false, End: not LoadEnd.Refused, Fault: not null }).Select(request => $"{request.Kind} {request.Number} {request.End}: {request.Fault}").Take(3));
        return string.Create(
            CultureInfo.InvariantCulture,
            $"{Sent} sent, {Served} served; failed: {FailedRepeatable} repeatable, {FailedPosts} POSTs, {Cut} cut, {Spoiled} spoiled; {NotSent} not sent; p50 {Latency(0.5).TotalMilliseconds:0.#} ms, p99 {Latency(0.99).TotalMilliseconds:0.#} ms; refusals: {refusals}; first faults: {faults}");
    }
}
