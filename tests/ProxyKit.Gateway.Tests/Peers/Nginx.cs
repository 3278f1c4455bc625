using System.Diagnostics;
using System.Net;
using System.Net.Sockets;

namespace ProxyKit.Gateway.Tests;

/// <summary>nginx as a backend, from a folder of its own.</summary>
internal sealed class Nginx : IAsyncDisposable
{
    private readonly Process _process;

    private Nginx(Process process, DirectoryInfo folder, Uri address) => (_process, Folder, Address) = (process, folder, address);

    public Uri Address { get; }

    /// <summary>What it serves and stores lies below <c>www</c> here.</summary>
    public DirectoryInfo Folder { get; }

    public static async Task<Nginx> StartAsync()
    {
        var program = Peer.Find("nginx");
        var folder = Directory.CreateTempSubdirectory("proxykit-nginx-");
        folder.CreateSubdirectory("www");
        for (var attempt = 1; ; attempt++)
        {
            // nginx cannot take port 0, and a free port may be taken before it comes.
            var port = FreePort();
            await File.WriteAllTextAsync(Path.Combine(folder.FullName, "nginx.conf"), Configuration(folder.FullName, port));
            var process = Process.Start(new ProcessStartInfo(program, ["-p", folder.FullName, "-c", Path.Combine(folder.FullName, "nginx.conf"), "-e", "stderr"]) { RedirectStandardError = true })!;
            process.BeginErrorReadLine();
            if (await ListensAsync(process, port))
            {
                return new Nginx(process, folder, new Uri($"http://127.0.0.1:{port}"));
            }

            Assert.True(attempt < 5, "nginx did not start.");
        }
    }

    public async ValueTask DisposeAsync()
    {
        _process.Kill();
        await _process.WaitForExitAsync();
        _process.Dispose();
        Folder.Delete(recursive: true);
    }

    private static string Configuration(string folder, int port) => $$"""
        daemon off;
        master_process off;
        pid {{folder}}/pid;
        events { worker_connections 256; }
        http {
          access_log off;
          client_body_temp_path {{folder}}/body;
          proxy_temp_path {{folder}}/proxy;
          fastcgi_temp_path {{folder}}/fastcgi;
          uwsgi_temp_path {{folder}}/uwsgi;
          scgi_temp_path {{folder}}/scgi;
          client_max_body_size 0;
          keepalive_requests 50;
          gzip_types text/plain;
          gzip_min_length 1;
          server {
            listen 127.0.0.1:{{port}};
            root {{folder}}/www;
            location /say { return 200 "$request_method $request_uri $http_host $http_x_forwarded_for"; }
            location /moved { return 302 /elsewhere; }
            location /packed/ { gzip on; alias {{folder}}/www/; }
            location /put/ { dav_methods PUT; create_full_put_path on; }
          }
        }
        """;

    private static async Task<bool> ListensAsync(Process process, int port)
    {
        using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(10));
        while (!process.HasExited)
        {
            try
            {
                using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
                await socket.ConnectAsync(IPAddress.Loopback, port, deadline.Token);
                return true;
            }
            catch (SocketException)
            {
                await Task.Delay(TimeSpan.FromMilliseconds(20), TimeProvider.System, deadline.Token);
            }
        }

        return false;
    }

    private static int FreePort()
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        return ((IPEndPoint)socket.LocalEndPoint!).Port;
    }
}
