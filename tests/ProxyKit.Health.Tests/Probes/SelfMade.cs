using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace ProxyKit.Health.Tests.Probes;

/// <summary>A certificate for localhost that nobody but these tests believes.</summary>
internal static class SelfMade
{
    public static X509Certificate2 Expiring(DateTimeOffset when)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=localhost", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName("localhost");
        names.AddDnsName("orders.example");
        names.AddIpAddress(System.Net.IPAddress.Loopback);
        request.CertificateExtensions.Add(names.Build());
        using var made = request.CreateSelfSigned(DateTimeOffset.UnixEpoch, when);
        return X509CertificateLoader.LoadPkcs12(made.Export(X509ContentType.Pkcs12), null);
    }
}
