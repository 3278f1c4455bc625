using Microsoft.AspNetCore.Http;

namespace ProxyKit.Forwarding;

/// <summary>Tells whether a shared cache may keep a response on its own word (RFC 9111 §3).</summary>
internal static class Cacheability
{
    /// <summary>Whether it may: it says that it is fresh for some time, or public, and not that it is one client's alone.</summary>
    public static bool IsCacheable(string method, HttpResponseMessage response)
    {
        if (!HttpMethods.IsGet(method) && !HttpMethods.IsHead(method))
        {
            return false;
        }

        var control = response.Headers.CacheControl;
        if (control is null)
        {
            return response.Content.Headers.NonValidated.Contains("Expires"); // in the past or not, it is an answer with caches in mind
        }

        // A field list after private= concerns those fields alone, and ours is hardly among them.
        return !control.NoStore && !(control.Private && control.PrivateHeaders.Count == 0)
            && (control.Public || control.SharedMaxAge > TimeSpan.Zero || control.MaxAge > TimeSpan.Zero || response.Content.Headers.NonValidated.Contains("Expires"));
    }
}
