namespace ProxyKit.Forwarding;

/// <summary>A connection was not open in time. Its own type, because the handler wraps it and a retry rests on it: nothing was sent.</summary>
internal sealed class ConnectTimeoutException(TimeSpan limit) : IOException($"The connection was not open within {limit}.");
