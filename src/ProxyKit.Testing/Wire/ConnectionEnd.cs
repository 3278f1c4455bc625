namespace ProxyKit.Testing;

/// <summary>How the other side ended a connection.</summary>
public enum ConnectionEnd
{
    /// <summary>It said that nothing more comes (FIN).</summary>
    Closed,

    /// <summary>It broke the connection off (RST).</summary>
    Reset,
}

/// <summary>How a body ended.</summary>
public enum BodyEnd
{
    /// <summary>As its framing promised; a body that has no framing is complete when the connection is closed.</summary>
    Complete,

    /// <summary>The connection was closed before the end that the framing promised.</summary>
    Truncated,

    /// <summary>The connection was reset.</summary>
    Reset,

    /// <summary>What came is no chunk, or no trailer.</summary>
    Malformed,
}
