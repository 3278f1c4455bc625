namespace ProxyKit.Forwarding;

/// <summary>What transforms are added to: a route, applied in the order of adding.</summary>
public interface ITransformBuilder
{
    /// <summary>Adds a change to requests.</summary>
    void Add(IRequestTransform transform);

    /// <summary>Adds a change to responses.</summary>
    void Add(IResponseTransform transform);
}
