namespace ProxyKit.Forwarding;

/// <summary>Turns paths as a destination knows them into those that clients know.</summary>
/// <param name="Backend">The path at the destination, below its base path, that the route leads to; <c>/</c> or empty for all of it.</param>
/// <param name="Public">The path, below the gateway's path base, that clients ask for.</param>
internal readonly record struct PublicPath(string Backend, string Public)
{
    /// <summary>The path as clients know it, its query and fragment kept; null where it is not below the one that the route leads to.</summary>
    public string? Map(string path, Destination destination, string pathBase)
    {
        var backend = destination.Address.AbsolutePath.TrimEnd('/') + Backend.TrimEnd('/');
        if (!path.StartsWith(backend, StringComparison.Ordinal))
        {
            return null;
        }

        var rest = path.AsSpan(backend.Length);
        if (!rest.IsEmpty && rest[0] is not ('/' or '?' or '#'))
        {
            return null;
        }

        var mapped = string.Concat(pathBase, Public.AsSpan().TrimEnd('/'), rest);
        return mapped is ['/', ..] ? mapped : $"/{mapped}";
    }

    public IEnumerable<string> Faults() => [.. PathFaults.Of("PublicPath", Public), .. PathFaults.Of("BackendPath", Backend)];
}
