namespace ProxyKit;

/// <summary>Options that code fills through setters, and that whoever keeps them copies: what the caller changes later changes nothing.</summary>
/// <typeparam name="TSelf">The options themselves.</typeparam>
public interface ICopyable<out TSelf>
    where TSelf : class
{
    /// <summary>A copy that shares nothing which can change. For a record of plain values that is <c>this with { }</c>.</summary>
    TSelf Copy();
}
